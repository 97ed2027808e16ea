"""The masked generators' step: a score and a singer's prompt to tokens."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import BoolTensor, LongTensor, Tensor

from espnet2_ext.data.streams import StreamSizes
from espnet2_ext.errors import UserError
from espnet2_ext.inference.step import Columns, Step
from espnet2_ext.masked.build import sizes_of
from espnet2_ext.masked.inference import MaskedInference
from espnet2_ext.masked.model import TARGETS
from espnet2_ext.masked.options import MaskedDecoding
from espnet2_ext.transcription.inference import TranscriptionInference


@dataclass(frozen=True)
class MaskedStep(Step):
    """Semantic tokens of a score, then acoustic tokens of these.

    Args:
        acoustic: Semantic to acoustic tokens.
        semantic: Score to semantic tokens; None: those of ``codec_ssl`` are taken.
        decoding: Options of the two stages, semantic first.
        embeddings: Of the codec, tables (N, K, D) and offset (D,), where the decoding of acoustic
            tokens has ``soft``.
        transcription: Hears the takes, where that decoding has an ``nbest`` above 1.

    Raises:
        UserError: the transcription was made for other codes.
    """

    reads = ("score_frames",)
    writes = ("codec_ssl", "soft")

    acoustic: MaskedInference
    semantic: MaskedInference | None
    decoding: tuple[MaskedDecoding, MaskedDecoding]
    embeddings: tuple[Tensor, Tensor] | None = None
    transcription: TranscriptionInference | None = None

    def __post_init__(self) -> None:
        if self.transcription is not None:
            own, heard = list(self.acoustic.codes), self.transcription.geometry.sizes
            if own[1:] != heard[1:]:
                raise UserError("transcription", f"codes of {heard[1:]}",
                                f"{own[1:]}, as the acoustic tokens")  # fmt: skip

    @property
    def may_read(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("prompt",) if self.semantic else ("prompt", "codec_ssl")

    @property
    def sizes(self) -> StreamSizes:
        embed_dim = None if self.embeddings is None else len(self.embeddings[1])
        return StreamSizes(codes=self.acoustic.codes, embed_dim=embed_dim)

    @property
    def batch_utts(self) -> int:  # type: ignore[override]
        return min(stage.batch_size for stage in self.decoding)

    @property
    def prompt_frames(self) -> int | None:
        models = filter(None, (self.semantic, self.acoustic))
        return min((m.max_prompt_frames for m in models if m.takes_prompts), default=None)

    def check(self, tokenizers: Any, vocabulary: Any, place: str) -> None:
        wanted = sizes_of(tokenizers)
        for target, model in zip(TARGETS, (self.semantic, self.acoustic), strict=True):
            if model is None:
                continue
            if model.model.target != target:
                raise UserError(f"{place}: {target}", model.model.target, target, "target")
            sizes = {"codes": list(model.codes), "n_phones": model.model.sizes.n_phones}
            for name, own in sizes.items():
                if own != wanted[name]:
                    expected = f"{wanted[name]}, as the tokenizers"
                    raise UserError(f"{place}: {target}", f"{own}", expected, name)

    @property
    def options(self) -> str:
        return str(self.decoding)

    def with_seed(self, seed: int) -> "MaskedStep":
        return replace(self, decoding=tuple(replace(d, seed=seed) for d in self.decoding))

    def __call__(self, columns: Columns, names: Sequence[str]) -> Columns:
        scores = columns["score_frames"]
        if self.semantic is None:
            tokens = columns["codec_ssl"]
        else:
            nq = len(self.acoustic.codes)
            tokens = [torch.zeros(len(score), nq, dtype=torch.long) for score in scores]
        return self.fill(scores, tokens, columns.get("prompt"))

    def fill(
        self,
        scores: Sequence[LongTensor],
        tokens: Sequence[LongTensor],
        prompts: Sequence[LongTensor] | None,
        kept: Sequence[BoolTensor] | None = None,
    ) -> Columns:
        """What the step writes, of utterances of which some frames stay.

        Args:
            scores: Score frames of each (L, 4).
            tokens: Of each (L, nq): those that stay, and any codes elsewhere; the semantic ones
                where there is no model of these.
            prompts: Of each (P, nq); None: no singer is given.
            kept: Frames of each that stay (L,); None: none.
        """

        def fixed(n_layers: int) -> list[Tensor] | None:
            return None if kept is None else [row[:, None].expand(-1, n_layers) for row in kept]

        if self.semantic is not None:
            own = prompts if self.semantic.takes_prompts else None
            tokens = self.semantic.generate(scores, tokens, own, self.decoding[0], fixed(1)).tokens
        given = prompts if self.acoustic.takes_prompts else None
        hearing = None if self.transcription is None else self.transcription.agreement
        n_layers = len(self.acoustic.codes) - 1
        found = self.acoustic.generate(
            scores, tokens, given, self.decoding[1], fixed(n_layers), self.embeddings, hearing
        )
        soft = {} if found.soft is None else {"soft": found.soft}
        return {"codec_ssl": found.tokens, **soft}
