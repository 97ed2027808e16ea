"""ConvNeXt over time (Liu et al. 2022; over frames as in Vocos), exact under padding.

A frame's output never depends on padded frames: a batch equals its utterances one by one.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from espnet2_ext.checkpoint import know_old_names

PART_FRAMES = 2048
"""Frames that a block of shifts works on at a time in inference: a song of any length needs little
more memory than its features."""


class DepthwiseShifts(nn.Module):
    """Depthwise convolution over time on (B, T, C), written as a sum of shifts, without bias.

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


class DepthwiseConv1d(nn.Conv1d):
    """Depthwise convolution over time on (B, T, C), by PyTorch's own."""

    def __init__(self, channels: int, kernel_size: int, dilation: int = 1) -> None:
        padding = (kernel_size // 2) * dilation
        super().__init__(
            channels, channels, kernel_size, padding=padding, dilation=dilation, groups=channels
        )

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution and inverted bottleneck, optionally modulated by a vector.

    Args:
        channels: Width.
        kernel_size: Of the depthwise convolution, odd.
        expansion: Width of the bottleneck over `channels`.
        modulation_dim: Size of the vector that gives shift, scale and gate; 0 for none.
        dropout: Of the bottleneck.
        dilation: Of the depthwise convolution.
        gate: What the learned gate begins with, where no vector gives it.
        shifts: Convolve by `DepthwiseShifts`, as the flow, not by `DepthwiseConv1d`, as the
            vocoder: each rounds otherwise, and their weights are laid out otherwise.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 7,
        expansion: int = 3,
        modulation_dim: int = 0,
        dropout: float = 0.0,
        dilation: int = 1,
        gate: float = 1.0,
        shifts: bool = True,
    ) -> None:
        super().__init__()
        convolution = DepthwiseShifts if shifts else DepthwiseConv1d
        self.conv = convolution(channels, kernel_size, dilation)
        self.norm = nn.LayerNorm(channels, elementwise_affine=not modulation_dim)
        self.expand = nn.Linear(channels, expansion * channels)
        self.contract = nn.Linear(expansion * channels, channels)
        self.dropout = nn.Dropout(dropout)
        self.shifts = shifts
        if modulation_dim:
            self.modulation = nn.Linear(modulation_dim, 3 * channels)
            nn.init.zeros_(self.modulation.weight)
            with torch.no_grad():
                self.modulation.bias.zero_()
                self.modulation.bias[2 * channels :] = 1.0
        else:
            self.gate = nn.Parameter(torch.full((channels,), gate))
        if not shifts:
            know_old_names(
                self,
                {
                    "depthwise.": "conv.",
                    "wide.": "expand.",
                    "narrow.": "contract.",
                    "scale": "gate",
                },
            )

    def forward(
        self, x: Tensor, mask: Tensor | None = None, vector: Tensor | None = None
    ) -> Tensor:
        """x (B, T, C), mask (B, T, 1) or None where all is real, vector (B, D) -> (B, T, C)."""
        if torch.is_grad_enabled() or x.size(1) <= PART_FRAMES or not self.shifts:
            return self._whole(x, mask, vector)
        parts = [
            self._whole(x[:, first:last], None if mask is None else mask[:, first:last], vector)[
                :, keep
            ]
            for first, last, keep in _parts(x.size(1), self.conv.reach)
        ]
        return torch.cat(parts, 1)

    def _whole(self, x: Tensor, mask: Tensor | None, vector: Tensor | None) -> Tensor:
        h = self.norm(self.conv(x if mask is None else x * mask.to(x.dtype)))
        if vector is None:
            gate = self.gate
        else:
            shift, scale, gate = self.modulation(vector)[:, None].chunk(3, -1)
            h = h * (1 + scale) + shift
        h = self.contract(self.dropout(F.gelu(self.expand(h))))
        return x + gate * h


class ConvNeXt(nn.Module):
    """Features (B, T, in_dim) to (B, T, out_dim) over `context_frames` on either side."""

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        dim: int,
        n_layers: int,
        kernel_size: int = 7,
        expansion: int = 2,
    ) -> None:
        super().__init__()
        self.input = nn.Conv1d(in_dim, dim, kernel_size, padding=kernel_size // 2)
        self.input_norm = nn.LayerNorm(dim)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(dim, kernel_size, expansion, gate=1 / n_layers, shifts=False)
            for _ in range(n_layers)
        )
        self.output_norm = nn.LayerNorm(dim)
        self.output = nn.Linear(dim, out_dim)
        self.context_frames = (n_layers + 1) * (kernel_size // 2)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """`mask` (B, T) is true on real frames; None where all are."""
        mask = None if mask is None else mask.unsqueeze(-1)
        x = x if mask is None else x * mask
        x = self.input_norm(self.input(x.transpose(1, 2)).transpose(1, 2))
        for block in self.blocks:
            x = block(x, mask)
        return self.output(self.output_norm(x))


def _parts(n_frames: int, context: int) -> Iterator[tuple[int, int, slice]]:
    """Parts of a song: first and last frame with context, and what of the part to keep."""
    for start in range(0, n_frames, PART_FRAMES):
        stop = min(start + PART_FRAMES, n_frames)
        first, last = max(0, start - context), min(n_frames, stop + context)
        yield first, last, slice(start - first, stop - first)
