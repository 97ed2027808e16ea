"""The codec's step: tokens straight to mel, or to audio where the codec makes it itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from espnet2_ext.audio.mel import LogMel
from espnet2_ext.data.streams import StreamSizes
from espnet2_ext.errors import UserError
from espnet2_ext.inference.step import Columns, Step
from espnet2_ext.tokenizer.tokenizers import Tokenizers

SOFT = "soft"


@dataclass(frozen=True)
class CodecStep(Step):
    """What is left of audio in its codec tokens.

    Args:
        tokenizers: The codec and its mel.
        device: Where the codec is.
        stream: ``codec_ssl``; ``codes``: those of the codec alone, as a CD flow writes them; or
            ``soft``: expected embeddings of a model over codes, for a codec that decodes them.
        codebooks: Only the first so many of a residual codec are decoded; None: all.
    """

    writes = ("mel", "wav")

    tokenizers: Tokenizers
    device: str = "cpu"
    stream: str = "codec_ssl"
    codebooks: int | None = None

    @property
    def options(self) -> str:
        return "" if self.codebooks is None else f"{self.codebooks} codebooks"

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.stream,)

    @property
    def sizes(self) -> StreamSizes:
        dim = getattr(self.tokenizers.codec, "dim", None)
        return StreamSizes(codes=self.tokenizers.sizes, embed_dim=dim)

    def check(self, tokenizers: Any, vocabulary: Any, place: str) -> None:
        streams = ("codec_ssl", "codes", SOFT)
        if self.stream not in streams:
            raise UserError(place, f"{self.stream!r}", ", ".join(streams), "stream")
        if self.stream == SOFT and not hasattr(tokenizers.codec, "decode_embedding"):
            raise UserError(place, "a codec that decodes codes alone", "one of type mel_rvq")

    @torch.inference_mode()
    def __call__(self, columns: Columns, names: Sequence[str]) -> Columns:
        codec = self.tokenizers.codec
        if self.stream == SOFT:
            rows = [row[None].to(self.device) for row in columns[SOFT]]
            return {"mel": [codec.decode_embedding(row)[0].cpu() for row in rows]}
        rows = [r[:, 1:] if self.stream == "codec_ssl" else r for r in columns[self.stream]]
        batches = [codes[None, :, : self.codebooks].to(self.device) for codes in rows]
        if hasattr(codec, "decode_mel"):
            return {"mel": [codec.decode_mel(codes)[0].cpu() for codes in batches]}
        wavs = [codec.decode(codes)[0].float().cpu() for codes in batches]
        log_mel = LogMel(self.tokenizers.mel)
        return {
            "mel": [log_mel(wav[None])[0] for wav in wavs],
            "wav": [(wav, codec.fs) for wav in wavs],
        }
