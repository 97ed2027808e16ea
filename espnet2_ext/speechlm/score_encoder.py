"""Score encoder: what is sung around every frame, with look-ahead over the whole score."""

import torch
from torch import LongTensor, Tensor, nn

from espnet2_ext.conditions.score_features import NO_MIDI, ScoreFeatures, score_features


def _lay(values: Tensor, place: LongTensor, size: int) -> Tensor:
    """Put values (n, ...) at their places in (1, size, ...), zero elsewhere."""
    return values.new_zeros(1, size, *values.shape[1:]).index_put(
        (torch.zeros_like(place), place), values
    )


class ConvScoreEncoder(nn.Module):
    """Convolutions over the frames of the score; noncausal, exact under padding.

    Args:
        n_phones: Size of the phone set.
        d_model: Width of the output.
        channels: Width inside.
        layers: Residual blocks.
        kernel_size: Of each block, in frames (odd).
        dropout: Inside the blocks.
    """

    def __init__(
        self,
        n_phones: int,
        d_model: int,
        channels: int = 192,
        layers: int = 3,
        kernel_size: int = 9,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.phone = nn.Embedding(3 * (n_phones + 1), channels)
        self.midi = nn.Embedding(3 * (NO_MIDI + 1), channels)
        self.register_buffer("phone_base", torch.arange(3) * (n_phones + 1), persistent=False)
        self.register_buffer("midi_base", torch.arange(3) * (NO_MIDI + 1), persistent=False)
        self.values = nn.Linear(10 + 3, channels)
        self.singer = nn.Linear(d_model, channels, bias=False)
        self.blocks = nn.ModuleList(_Block(channels, kernel_size, dropout) for _ in range(layers))
        self.reach = kernel_size // 2
        self.norm = nn.LayerNorm(channels)
        self.out = nn.Linear(channels, d_model)
        for embedding in (self.phone, self.midi):
            nn.init.normal_(embedding.weight, std=0.5)

    def forward(
        self,
        score_frames: LongTensor,
        lengths: LongTensor,
        singer: Tensor | None = None,
        packed: bool = False,
    ) -> Tensor:
        """Encode scores.

        Args:
            score_frames: (B, F, 4).
            lengths: Frames of each score (B,).
            singer: Added at every frame (B, d_model).
            packed: Lay the scores end to end, so that nothing is computed for padding.

        Returns:
            Tensor: (B, F, d_model), zero on padding.
        """
        features = score_features(score_frames, lengths)
        singer = None if singer is None else self.singer(singer)[:, None]
        if not packed:
            return self._encode(features, singer)
        # silence between two scores, as wide as a convolution sees
        gap = self.reach
        row, frame = features.mask.nonzero(as_tuple=True)
        place = (lengths + gap).cumsum(0)[row] - lengths[row] - gap + frame
        N = int(lengths.sum()) + gap * len(lengths)
        end_to_end = ScoreFeatures(*(_lay(x[row, frame], place, N) for x in features.parts()))
        if singer is not None:
            singer = _lay(singer[row, 0], place, N)
        encoded = self._encode(end_to_end, singer)[0, place]
        return encoded.new_zeros(*features.mask.shape, encoded.size(-1)).index_put(
            (row, frame), encoded
        )

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
