"""The flow's step: tokens, score and prompt to mel and F0."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from espnet2_ext.data.streams import StreamSizes, StreamTables
from espnet2_ext.flow.inference import FlowInference, SamplingConfig
from espnet2_ext.inference.step import Columns, Step, others
from espnet2_ext.score.length import EXACT, LengthCount


@dataclass(frozen=True)
class FlowStep(Step):
    """Mel and F0 of tokens (or the codec's codes, where the flow generates these).

    Args:
        model: The flow.
        sampling: How its ODE is solved.
    """

    reads = ("codec_ssl",)
    writes = ("mel", "f0", "codes")

    model: FlowInference
    sampling: SamplingConfig

    @property
    def may_read(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("score_frames", "prompt", "soft", *self.model.more_streams)

    @property
    def prompt_frames(self) -> int | None:
        return self.model.max_prompt_frames if self.model.needs_prompt else None

    def check(self, tokenizers: Any, vocabulary: Any, place: str) -> None:
        tokenizers.mel.require_same(self.model.mel, place)

    @property
    def sizes(self) -> StreamSizes:
        geometry = self.model.model.geometry
        return StreamSizes(codes=geometry.sizes, embed_dim=geometry.embed_dim)

    @property
    def options(self) -> str:
        return str(self.sampling)

    def wants(self, name: str) -> bool:
        if name == "score_frames":
            needed = self.model.needs_pitch or self.model.needs_phones
            return needed or self.sampling.length_policy != EXACT
        return name != "prompt" or self.model.needs_prompt

    def with_seed(self, seed: int) -> "FlowStep":
        return replace(self, sampling=replace(self.sampling, seed=seed))

    def __call__(self, columns: Columns, names: Sequence[str]) -> Columns:
        features = self.model.generate(
            columns["codec_ssl"], columns.get("score_frames"), columns.get("prompt"),
            self.sampling, columns.get("soft"), names, others(columns, self.model.more_streams),
        )  # fmt: skip
        written = {name: [getattr(f, name) for f in features] for name in self.writes}
        return {name: values for name, values in written.items() if values[0] is not None}

    def finish(self, tables: StreamTables, output_dir: Path) -> None:
        """Tell how the tokens' lengths compare with the scores', where they may differ."""
        if self.sampling.length_policy == EXACT or "score_frames" not in tables.paths:
            return
        streams = ("codec_ssl", "score_frames")
        LengthCount.of(
            (key, *(tables.n_frames(name, key) for name in streams)) for key in tables.keys
        ).log(str(tables.paths["codec_ssl"]))
