"""Score encoder: what is sung around every frame, with look-ahead over the whole score."""

import torch
from torch import LongTensor, Tensor, nn

from espnet2_ext.conditions.condition import (
    FRAMES,
    ConditionEncoder,
    Sizes,
    register_condition,
    require,
)
from espnet2_ext.conditions.score_features import NO_MIDI, ScoreFeatures, score_features
from espnet2_ext.data.batch import Batch


def _lay(values: Tensor, place: LongTensor, size: int) -> Tensor:
    """Put values (n, ...) at their places in (1, size, ...), zero elsewhere."""
    return values.new_zeros(1, size, *values.shape[1:]).index_put(
        (torch.zeros_like(place), place), values
    )


@register_condition("score")
class ScoreCondition(ConditionEncoder):
    """Convolutions over the frames of the score; noncausal, exact under padding.

    Args:
        sizes: With n_phones.
        channels: Width inside.
        layers: Residual blocks.
        kernel_size: Of each block, in frames (odd).
        dropout: Inside the blocks.
        drop: See `ConditionEncoder`.
    """

    kind, streams = FRAMES, ("score_frames",)

    def __init__(
        self,
        sizes: Sizes,
        channels: int = 192,
        layers: int = 3,
        kernel_size: int = 9,
        dropout: float = 0.1,
        drop: float = 0.0,
    ) -> None:
        super().__init__(sizes.width, drop, null=False)
        n_phones = require(sizes.n_phones, "score", "the size of the phone set (n_phones)")
        self.phone = nn.Embedding(3 * (n_phones + 1), channels)
        self.midi = nn.Embedding(3 * (NO_MIDI + 1), channels)
        self.register_buffer("phone_base", torch.arange(3) * (n_phones + 1), persistent=False)
        self.register_buffer("midi_base", torch.arange(3) * (NO_MIDI + 1), persistent=False)
        self.values = nn.Linear(10 + 3, channels)
        self.singer = nn.Linear(sizes.width, channels, bias=False)
        self.blocks = nn.ModuleList(_Block(channels, kernel_size, dropout) for _ in range(layers))
        self.reach = kernel_size // 2
        self.norm = nn.LayerNorm(channels)
        self.out = nn.Linear(channels, sizes.width)
        for embedding in (self.phone, self.midi):
            nn.init.normal_(embedding.weight, std=0.5)

    def encode(
        self, batch: Batch, vector: Tensor | None = None, packed: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Encode scores.

        Args:
            batch: With ``score_frames`` (B, F, 4).
            vector: The singer, added at every frame (B, d).
            packed: Lay the scores end to end, so that nothing is computed for padding.

        Returns:
            Value (B, F, d), zero on padding, and mask (B, F).
        """
        lengths = batch.lengths("score_frames")
        features = score_features(batch["score_frames"], lengths)
        singer = None if vector is None else self.singer(vector)[:, None]
        if not packed:
            return self._encode(features, singer), features.mask
        # silence between two scores, as wide as a convolution sees
        gap = self.reach
        row, frame = features.mask.nonzero(as_tuple=True)
        place = (lengths + gap).cumsum(0)[row] - lengths[row] - gap + frame
        N = int(lengths.sum()) + gap * len(lengths)
        end_to_end = ScoreFeatures(*(_lay(x[row, frame], place, N) for x in features.parts()))
        if singer is not None:
            singer = _lay(singer[row, 0], place, N)
        encoded = self._encode(end_to_end, singer)[0, place]
        laid = encoded.new_zeros(*features.mask.shape, encoded.size(-1))
        return laid.index_put((row, frame), encoded), features.mask

    def _encode(self, features: ScoreFeatures, singer: Tensor | None) -> Tensor:
        sung = (features.midi > 0) & (features.midi < NO_MIDI)
        height = torch.where(sung, (features.midi - 60) / 12.0, 0.0)
        values = torch.cat([features.position, height], -1).to(self.values.weight.dtype)
        x = self.phone(features.phones + self.phone_base).sum(2)
        x = x + self.midi(features.midi + self.midi_base).sum(2) + self.values(values)
        if singer is not None:
            x = x + singer
        mask = features.mask[..., None].to(x.dtype)
        for block in self.blocks:
            x = block(x, mask)
        return self.out(self.norm(x)) * mask


class _Block(nn.Module):
    def __init__(self, channels: int, kernel_size: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.conv = nn.Conv1d(channels, channels, kernel_size, padding=kernel_size // 2)
        self.out = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y = (self.norm(x) * mask).transpose(1, 2)
        y = nn.functional.gelu(self.conv(y)).transpose(1, 2)
        return x + self.out(self.dropout(y))
