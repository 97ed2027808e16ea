"""What is sung or said: phones of both languages, with a tag before each speaker's.

Source: InstructAudio (arXiv 2511.18487), which gives no alignment and lets attention find it.
"""

import torch
from torch import BoolTensor, LongTensor, Tensor

from espnet2_ext.conditions.condition import (
    FRAMES,
    SEQUENCE,
    ConditionEncoder,
    Sizes,
    clock_mask,
    register_condition,
)
from espnet2_ext.conditions.score import ScoreCondition
from espnet2_ext.data.batch import Batch
from espnet2_ext.data.lyric_symbols import LYRIC_SYMBOLS
from espnet2_ext.networks.symbol_encoder import SymbolEncoder

NONE, AVERAGE, SCORE = ALIGNMENTS = ("none", "average", "score")


@register_condition("lyrics")
class LyricsCondition(ConditionEncoder):
    """Encoded phones, ids of `LYRIC_SYMBOLS`.

    Args:
        sizes: Of the condition; with n_phones for ``alignment: score``.
        alignment: Of phones and frames. "none": a sequence, in which attention finds its place;
            "average": phones are spread evenly over the frames (ZipVoice, arXiv 2506.13053) and
            added there; "score": what the score says of each frame, which is the condition `score`.
        channels: Width inside.
        n_layers: See `SymbolEncoder`.
        n_heads: See `SymbolEncoder`.
        kernel_size: See `SymbolEncoder`.
        dropout: In the encoder.
        drop: See `ConditionEncoder`.
    """

    kind, streams = SEQUENCE, ("lyrics_ids",)

    def __init__(
        self,
        sizes: Sizes,
        alignment: str = NONE,
        channels: int = 192,
        n_layers: int = 4,
        n_heads: int = 4,
        kernel_size: int = 9,
        dropout: float = 0.1,
        drop: float = 0.1,
    ) -> None:
        super().__init__(sizes.width, drop)
        if alignment not in ALIGNMENTS:
            raise ValueError(f"alignment {alignment!r} is none of {', '.join(ALIGNMENTS)}")
        self.alignment = alignment
        if alignment != NONE:
            self.kind = FRAMES
        if alignment == SCORE:
            self.streams = ScoreCondition.streams
            self.encoder = ScoreCondition(sizes, channels, n_layers, kernel_size, dropout)
        else:
            self.encoder = SymbolEncoder(
                len(LYRIC_SYMBOLS), sizes.width, channels, n_layers, n_heads, kernel_size, dropout
            )

    def encode(self, batch: Batch, vector: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if self.alignment == SCORE:
            return self.encoder.encode(batch, vector)
        mask = batch.mask("lyrics_ids")
        x = self.encoder(batch["lyrics_ids"], mask)
        if self.alignment == NONE:
            return x, mask
        frames = clock_mask(batch)
        return spread(x, batch.lengths("lyrics_ids"), frames), frames


def spread(x: Tensor, lengths: LongTensor, frames: BoolTensor) -> Tensor:
    """Vectors laid evenly over frames: frame f of L has number floor(f S / L), zero on padding.

    Args:
        x: (B, S, d).
        lengths: How many of them each utterance has (B,).
        frames: True on its frames (B, F).
    """
    f = torch.arange(frames.size(1), device=x.device)
    number = (f * lengths[:, None]) // frames.sum(1, keepdim=True).clamp_min(1)
    number = torch.where(frames, number, 0)
    return x.gather(1, number[..., None].expand(-1, -1, x.size(-1))) * frames[..., None]
