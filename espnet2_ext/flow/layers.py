"""Layers shared by the condition encoder and the velocity networks; all are exact under padding.

A frame's output never depends on padded frames: a batch equals its utterances one by one.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

PART_FRAMES = 2048
"""Token frames that a block works on at a time in inference: a song of any length needs little more
memory than its features."""


class DepthwiseConv(nn.Module):
    """Depthwise convolution over time on (B, T, C), written as a sum of shifts.

    On CPUs this is faster than `nn.Conv1d` with groups, and needs no transposition.
    """

    def __init__(self, channels: int, kernel_size: int, dilation: int = 1) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size {kernel_size} is even")
        self.kernel_size, self.dilation = kernel_size, dilation
        self.reach = (kernel_size // 2) * dilation  # frames on either side
        bound = kernel_size**-0.5
        self.weight = nn.Parameter(torch.empty(kernel_size, channels).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        T = x.size(1)
        padded = F.pad(x, (0, 0, self.reach, self.reach))
        weight = self.weight.to(x.dtype)
        y = padded[:, :T] * weight[0]
        for k in range(1, self.kernel_size):
            start = k * self.dilation
            y = y + padded[:, start : start + T] * weight[k]
        return y


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution and inverted bottleneck, optionally modulated by a vector.

    Args:
        channels: Width.
        kernel_size: Of the depthwise convolution, odd.
        expansion: Width of the bottleneck over `channels`.
        modulation_dim: Size of the vector that gives shift, scale and gate; 0 for none.
        dropout: Of the bottleneck.
        dilation: Of the depthwise convolution.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 7,
        expansion: int = 3,
        modulation_dim: int = 0,
        dropout: float = 0.0,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        self.conv = DepthwiseConv(channels, kernel_size, dilation)
        self.norm = nn.LayerNorm(channels, elementwise_affine=not modulation_dim)
        self.expand = nn.Linear(channels, expansion * channels)
        self.contract = nn.Linear(expansion * channels, channels)
        self.dropout = nn.Dropout(dropout)
        if modulation_dim:
            self.modulation = nn.Linear(modulation_dim, 3 * channels)
            nn.init.zeros_(self.modulation.weight)
            with torch.no_grad():
                self.modulation.bias.zero_()
                self.modulation.bias[2 * channels :] = 1.0
        else:
            self.gate = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor, mask: Tensor, vector: Tensor | None = None) -> Tensor:
        """x (B, T, C), mask (B, T, 1), vector (B, D) -> (B, T, C)."""
        if torch.is_grad_enabled() or x.size(1) <= PART_FRAMES:
            return self._whole(x, mask, vector)
        parts = [
            self._whole(x[:, first:last], mask[:, first:last], vector)[:, keep]
            for first, last, keep in _parts(x.size(1), self.conv.reach)
        ]
        return torch.cat(parts, 1)

    def _whole(self, x: Tensor, mask: Tensor, vector: Tensor | None) -> Tensor:
        h = self.norm(self.conv(x * mask.to(x.dtype)))
        if vector is None:
            gate = self.gate
        else:
            shift, scale, gate = self.modulation(vector)[:, None].chunk(3, -1)
            h = h * (1 + scale) + shift
        h = self.contract(self.dropout(F.gelu(self.expand(h))))
        return x + gate * h


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


def _parts(n_frames: int, context: int) -> Iterator[tuple[int, int, slice]]:
    """Parts of a song: first and last frame with context, and what of the part to keep."""
    for start in range(0, n_frames, PART_FRAMES):
        stop = min(start + PART_FRAMES, n_frames)
        first, last = max(0, start - context), min(n_frames, stop + context)
        yield first, last, slice(start - first, stop - first)
