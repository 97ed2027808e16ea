"""Flow time as vectors that modulate a network."""

import math

import torch
from torch import Tensor, nn


class TimeEmbedding(nn.Module):
    """Flow time t (B,) in [0, 1] to vectors (B, channels).

    Args:
        channels: Of the vectors.
        n_frequencies: Of the sines and cosines that t becomes.
        inner: Width between the two layers; None: `channels`.
    """

    def __init__(self, channels: int, n_frequencies: int = 64, inner: int | None = None) -> None:
        super().__init__()
        inner = inner or channels
        frequencies = torch.exp(torch.linspace(0, math.log(500.0), n_frequencies))
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.mlp = nn.Sequential(
            nn.Linear(2 * n_frequencies, inner), nn.SiLU(), nn.Linear(inner, channels)
        )

    def forward(self, t: Tensor) -> Tensor:
        angle = t.float()[:, None] * self.frequencies
        return self.mlp(torch.cat([angle.sin(), angle.cos()], -1))
