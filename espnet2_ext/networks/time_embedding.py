"""Flow time as vectors that modulate a network."""

import math

import torch
from torch import Tensor, nn


class TimeEmbedding(nn.Module):
    """Flow time t (B,) in [0, 1] to vectors (B, channels)."""

    def __init__(self, channels: int, n_frequencies: int = 64) -> None:
        super().__init__()
        frequencies = torch.exp(torch.linspace(0, math.log(500.0), n_frequencies))
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.mlp = nn.Sequential(
            nn.Linear(2 * n_frequencies, channels), nn.SiLU(), nn.Linear(channels, channels)
        )

    def forward(self, t: Tensor) -> Tensor:
        angle = t.float()[:, None] * self.frequencies
        return self.mlp(torch.cat([angle.sin(), angle.cos()], -1))
