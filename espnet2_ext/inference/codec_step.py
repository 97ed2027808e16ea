"""The codec's step: tokens straight to mel, or to audio where the codec makes it itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from espnet2_ext.audio.mel import LogMel
from espnet2_ext.data.streams import StreamSizes
from espnet2_ext.inference.step import Columns, Step
from espnet2_ext.tokenizer.tokenizers import Tokenizers


@dataclass(frozen=True)
class CodecStep(Step):
    """What is left of audio in its codec tokens.

    Args:
        tokenizers: The codec and its mel.
        device: Where the codec is.
        stream: ``codec_ssl``; ``codes``: those of the codec alone, as a CD flow writes them; or
            ``soft``: expected embeddings of a model over codes, for a codec that decodes them.
    """

    writes = ("mel", "wav")

    tokenizers: Tokenizers
    device: str = "cpu"
    stream: str = "codec_ssl"

    @property
    def reads(self) -> tuple[str, ...]:  # type: ignore[override]
        return (self.stream,)

    @property
    def sizes(self) -> StreamSizes:
        dim = getattr(self.tokenizers.codec, "dim", None)
        return StreamSizes(codes=self.tokenizers.sizes, embed_dim=dim)

    @torch.inference_mode()
    def __call__(self, columns: Columns, names: Sequence[str]) -> Columns:
        codec = self.tokenizers.codec
        if self.stream == "soft":
            rows = [row[None].to(self.device) for row in columns["soft"]]
            return {"mel": [codec.decode_embedding(row)[0].cpu() for row in rows]}
        rows = [r[:, 1:] if self.stream == "codec_ssl" else r for r in columns[self.stream]]
        batches = [codes[None].to(self.device) for codes in rows]
        if hasattr(codec, "decode_mel"):
            return {"mel": [codec.decode_mel(codes)[0].cpu() for codes in batches]}
        wavs = [codec.decode(codes)[0].float().cpu() for codes in batches]
        log_mel = LogMel(self.tokenizers.mel)
        return {
            "mel": [log_mel(wav[None])[0] for wav in wavs],
            "wav": [(wav, codec.fs) for wav in wavs],
        }
