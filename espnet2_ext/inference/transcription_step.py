"""The transcription's step: tokens to the pitch token of each frame, by the notes heard in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from espnet2_ext.data.streams import StreamSizes
from espnet2_ext.errors import UserError
from espnet2_ext.inference.step import Columns, Step
from espnet2_ext.transcription.decode import DecodingConfig, Segment
from espnet2_ext.transcription.inference import TranscriptionInference, pitch_tokens


@dataclass(frozen=True)
class TranscriptionStep(Step):
    """Pitch tokens of what tokens sing.

    Args:
        model: The transcription model.
        decoding: How frames become notes.
    """

    reads = ("codec_ssl",)
    writes = ("pitch",)

    model: TranscriptionInference
    decoding: DecodingConfig

    @property
    def options(self) -> str:
        return str(self.decoding)

    @property
    def sizes(self) -> StreamSizes:
        return StreamSizes(codes=self.model.geometry.sizes)

    def check(self, tokenizers: Any, vocabulary: Any, place: str) -> None:
        if list(tokenizers.sizes) != self.model.geometry.sizes:
            own = f"codes of {self.model.geometry.sizes}"
            raise UserError(place, own, f"{list(tokenizers.sizes)}, as the tokenizers")

    def segments(self, codec_ssl: np.ndarray | torch.Tensor) -> list[Segment]:
        """Notes and rests of an utterance's tokens (L, nq)."""
        codes = torch.as_tensor(np.array(codec_ssl), dtype=torch.long)[:, 1:]
        return self.model.segments(codes, self.decoding)

    def __call__(self, columns: Columns, names: Sequence[str]) -> Columns:
        found = [self.segments(tokens) for tokens in columns["codec_ssl"]]
        return {"pitch": [torch.from_numpy(pitch_tokens(segments)) for segments in found]}
