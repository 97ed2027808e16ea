"""The step of a flow of latents: a score, lyrics and an instruction to a mel-VAE's latents."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from espnet2_ext.data.streams import StreamSizes
from espnet2_ext.flow.latent_inference import LatentInference
from espnet2_ext.flow.sampler import SamplingConfig
from espnet2_ext.inference.step import Columns, Step, others

_SCORE = "score_frames"


@dataclass(frozen=True)
class LatentFlowStep(Step):
    """As many latent frames as ``score_frames`` has, whether or not the model reads what is in it.

    Args:
        model: The flow.
        sampling: How its ODE is solved.
    """

    reads = (_SCORE,)
    writes = ("latents",)

    model: LatentInference
    sampling: SamplingConfig

    @property
    def may_read(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(name for name in self.model.streams_read if name != _SCORE)

    @property
    def sizes(self) -> StreamSizes:
        return StreamSizes(latent_dim=self.model.model.geometry.latent_dim)

    @property
    def options(self) -> str:
        return str(self.sampling)

    def with_seed(self, seed: int) -> "LatentFlowStep":
        return replace(self, sampling=replace(self.sampling, seed=seed))

    def __call__(self, columns: Columns, names: Sequence[str]) -> Columns:
        lengths = [len(score) for score in columns[_SCORE]]
        streams: dict[str, Sequence[Any]] = others(columns, self.model.streams_read)
        return {"latents": self.model.generate(lengths, streams, self.sampling, names)}
