"""Samples to frames by strided convolutions with snake activations, as the DAC codec has them.

Parameters have the names of MaskGCT's acoustic codec, weight norms folded into the weights.

Source: Kumar et al. 2023 (arXiv 2306.06546).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Snake(nn.Module):
    """x + sin^2(alpha x) / alpha (Ziyin et al. 2020)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(1, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x + (self.alpha + 1e-9).reciprocal() * torch.sin(self.alpha * x).square()


class _Residual(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            Snake(channels),
            nn.Conv1d(channels, channels, 7, padding=3 * dilation, dilation=dilation),
            Snake(channels),
            nn.Conv1d(channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x)


class _Down(nn.Module):
    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            *(_Residual(channels, dilation) for dilation in (1, 3, 9)),
            Snake(channels),
            nn.Conv1d(channels, 2 * channels, 2 * stride, stride, padding=-(-stride // 2)),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class WaveEncoder(nn.Module):
    """Samples (B, 1, N) to features (B, channels, N / product of the strides).

    Args:
        width: Channels before the first stride; each doubles them.
        strides: In order.
        channels: Of the features.
    """

    def __init__(self, width: int, strides: Sequence[int], channels: int) -> None:
        super().__init__()
        widths = [width * 2**i for i in range(len(strides) + 1)]
        self.block = nn.Sequential(
            nn.Conv1d(1, width, 7, padding=3),
            *(_Down(w, stride) for w, stride in zip(widths, strides, strict=False)),
            Snake(widths[-1]),
            nn.Conv1d(widths[-1], channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)
