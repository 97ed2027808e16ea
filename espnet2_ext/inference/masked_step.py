"""The masked generators' step: a score and a singer's prompt to tokens."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from espnet2_ext.data.streams import StreamSizes
from espnet2_ext.inference.step import Columns, Step
from espnet2_ext.masked.inference import MaskedInference
from espnet2_ext.masked.options import MaskedDecoding


@dataclass(frozen=True)
class MaskedStep(Step):
    """Semantic tokens of a score, then acoustic tokens of these.

    Args:
        acoustic: Semantic to acoustic tokens.
        semantic: Score to semantic tokens; None: those of ``codec_ssl`` are taken.
        decoding: Options of the two stages, semantic first.
    """

    reads = ("score_frames",)
    writes = ("codec_ssl",)

    acoustic: MaskedInference
    semantic: MaskedInference | None
    decoding: tuple[MaskedDecoding, MaskedDecoding]

    @property
    def may_read(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("prompt",) if self.semantic else ("prompt", "codec_ssl")

    @property
    def sizes(self) -> StreamSizes:
        return StreamSizes(codes=self.acoustic.codes)

    @property
    def options(self) -> str:
        return str(self.decoding)

    def with_seed(self, seed: int) -> "MaskedStep":
        return replace(self, decoding=tuple(replace(d, seed=seed) for d in self.decoding))

    def __call__(self, columns: Columns, names: Sequence[str]) -> Columns:
        scores, prompts = columns["score_frames"], columns.get("prompt")
        nq = len(self.acoustic.codes)
        if self.semantic is None:
            tokens = columns["codec_ssl"]
        else:
            empty = [torch.zeros(len(score), nq, dtype=torch.long) for score in scores]
            own = prompts if self.semantic.takes_prompts else None
            tokens = self.semantic.generate(scores, empty, own, self.decoding[0])
        given = prompts if self.acoustic.takes_prompts else None
        return {"codec_ssl": self.acoustic.generate(scores, tokens, given, self.decoding[1])}
