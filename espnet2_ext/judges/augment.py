"""What a judge should not mind: another throat, another tempo, a little noise, a missing patch."""

import torch
from torch import Tensor


def warp_frequency(mel: Tensor, factor: float) -> Tensor:
    """Stretch the mel axis of (T, M) by `factor`: above 1 formants and harmonics move up."""
    n_mels = mel.size(1)
    source = (torch.arange(n_mels) / factor).clamp(0, n_mels - 1)
    low = source.floor().long()
    high = (low + 1).clamp_max(n_mels - 1)
    weight = source - low
    return mel[:, low] * (1 - weight) + mel[:, high] * weight


def stretch_time(mel: Tensor, factor: float) -> tuple[Tensor, Tensor]:
    """Resample (T, M) to about T * factor frames; also the source index of each new frame."""
    size = max(2, round(len(mel) * factor))
    source = torch.linspace(0, len(mel) - 1, size)
    low = source.floor().long()
    high = (low + 1).clamp_max(len(mel) - 1)
    weight = (source - low)[:, None]
    return mel[low] * (1 - weight) + mel[high] * weight, source.round().long()


def mask_patches(
    mel: Tensor, generator: torch.Generator, max_frames: int = 6, max_mels: int = 10
) -> Tensor:
    """Replace a band, and short stretches (one a second), by the mean of what is there."""
    mel = mel.clone()
    mean = mel.mean(0)
    for _ in range(max(1, len(mel) // 100)):
        width = int(torch.randint(0, max_frames + 1, (), generator=generator))
        start = int(torch.randint(0, max(1, len(mel) - width), (), generator=generator))
        mel[start : start + width] = mean
    width = int(torch.randint(0, max_mels + 1, (), generator=generator))
    start = int(torch.randint(0, mel.size(1) - width, (), generator=generator))
    mel[:, start : start + width] = mean[start : start + width]
    return mel


def uniform(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))


def perturb(
    mel: Tensor,
    generator: torch.Generator,
    warp: tuple[float, float] = (0.92, 1.09),
    stretch: tuple[float, float] = (0.85, 1.2),
) -> tuple[Tensor, Tensor]:
    """All of them at random; returns mel (T', M) and the source index (T',) of its frames."""
    mel, source = stretch_time(mel, uniform(*stretch, generator))
    mel = warp_frequency(mel, uniform(*warp, generator))
    # A spectral tilt and a level, as another voice or microphone would bring.
    ramp = torch.linspace(-1, 1, mel.size(1))
    mel = mel + uniform(-0.5, 0.5, generator) * ramp + uniform(-0.3, 0.3, generator)
    mel = mel + uniform(0, 0.3, generator) * torch.randn(mel.shape, generator=generator)
    return mask_patches(mel, generator), source
