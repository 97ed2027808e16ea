"""Vocos: ConvNeXt blocks over frames, and samples from them by an inverse Fourier transform.

Parameters have the names of the published models.

Source: Siuzdak 2023 (arXiv 2306.00814).
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import fold

_EPS = 1e-6
_LOUDEST = 1e2


class VocosBlock(nn.Module):
    """Depthwise convolution and inverted bottleneck, added to what came in."""

    def __init__(self, width: int, inner: int, scale: float) -> None:
        super().__init__()
        self.dwconv = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=_EPS)
        self.pwconv1, self.pwconv2 = nn.Linear(width, inner), nn.Linear(inner, width)
        self.gamma = nn.Parameter(torch.full((width,), scale))

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(self.dwconv(x).transpose(1, 2))
        h = self.pwconv2(nn.functional.gelu(self.pwconv1(h)))
        return x + (self.gamma * h).transpose(1, 2)


class VocosBackbone(nn.Module):
    """Features (B, channels, F) to (B, F, width).

    Args:
        channels: Of the input.
        width: Of the blocks.
        inner: Of their bottlenecks.
        n_layers: Blocks.
    """

    def __init__(self, channels: int, width: int, inner: int, n_layers: int) -> None:
        super().__init__()
        self.embed = nn.Conv1d(channels, width, 7, padding=3)
        self.norm = nn.LayerNorm(width, eps=_EPS)
        self.convnext = nn.ModuleList(
            VocosBlock(width, inner, 1 / n_layers) for _ in range(n_layers)
        )
        self.final_layer_norm = nn.LayerNorm(width, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.embed(x).transpose(1, 2)).transpose(1, 2)
        for block in self.convnext:
            x = block(x)
        return self.final_layer_norm(x.transpose(1, 2))


class _Synthesis(nn.Module):
    """Overlapped and added frames; `hop` samples for each, without what reaches over the ends."""

    def __init__(self, n_fft: int, hop: int) -> None:
        super().__init__()
        self.n_fft, self.hop = n_fft, hop
        self.register_buffer("window", torch.hann_window(n_fft))

    def forward(self, spectrum: Tensor) -> Tensor:
        frames = torch.fft.irfft(spectrum, self.n_fft, dim=1) * self.window[:, None]
        F, over = spectrum.size(2), (self.n_fft - self.hop) // 2
        length = (F - 1) * self.hop + self.n_fft
        laid = {
            "output_size": (1, length), "kernel_size": (1, self.n_fft), "stride": (1, self.hop)
        }  # fmt: skip
        weight = self.window.square()[None, :, None].expand(1, -1, F)
        kept = slice(over, over + F * self.hop)
        wav, weight = (fold(x, **laid)[:, 0, 0, kept] for x in (frames, weight))
        return wav / weight


class VocosHead(nn.Module):
    """Hidden states (B, F, width) to samples (B, F * hop).

    Args:
        width: Of the states.
        n_fft: Of the transform.
        hop: Samples of a frame.
    """

    def __init__(self, width: int, n_fft: int, hop: int) -> None:
        super().__init__()
        self.out = nn.Linear(width, n_fft + 2)
        self.istft = _Synthesis(n_fft, hop)

    def forward(self, x: Tensor) -> Tensor:
        log_magnitude, phase = self.out(x).transpose(1, 2).chunk(2, 1)
        return self.istft(torch.polar(log_magnitude.exp().clamp(max=_LOUDEST), phase))


class Vocos(nn.Module):
    """Backbone and head: features (B, channels, F) to samples (B, F * hop)."""

    def __init__(
        self, channels: int, width: int, inner: int, n_layers: int, n_fft: int, hop: int
    ) -> None:
        super().__init__()
        self.backbone = VocosBackbone(channels, width, inner, n_layers)
        self.head = VocosHead(width, n_fft, hop)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.backbone(x))
