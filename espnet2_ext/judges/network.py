"""What the judges are built of: their own log-mel and a padding-exact convolutional trunk.

Nothing here is shared with the models that are judged: other mel settings, other weights.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from espnet2_ext.audio.mel_basis import mel_basis

FRAME_SHIFT_SEC = 0.01
WINDOW_SEC = 0.03
N_MELS = 64
FMIN_HZ, FMAX_HZ = 60.0, 7600.0
FLOOR = 1e-5
ACTIVE_RANGE = 6.0
"""Frames less than this (nepers) below the loudest count when the level is normalised."""
SUBSAMPLING = 2


@lru_cache(maxsize=4)
def _analysis(fs: int) -> tuple[int, int, Tensor, Tensor]:
    if fs < 2 * FMAX_HZ:
        raise ValueError(f"judges need at least {int(2 * FMAX_HZ)} Hz, not {fs}")
    window = round(fs * WINDOW_SEC)
    n_fft = 1 << (window - 1).bit_length()
    basis = mel_basis(fs, n_fft, N_MELS, FMIN_HZ, FMAX_HZ)
    return n_fft, window, torch.from_numpy(basis), torch.hann_window(window)


def judge_mel(wav: np.ndarray, fs: int) -> Tensor:
    """Log-mel (T, 64) of samples (N,), level-normalised, a frame every 10 ms at any rate.

    The mean over the louder frames is taken out, so that a judge does not hear gain.
    """
    n_fft, window, basis, taper = _analysis(fs)
    hop = round(fs * FRAME_SHIFT_SEC)
    samples = torch.from_numpy(np.array(wav, np.float32))
    if len(samples) < n_fft:
        samples = nn.functional.pad(samples, (0, n_fft - len(samples)))
    spectrum = torch.stft(
        samples, n_fft, hop, window, taper, center=True, pad_mode="constant", return_complex=True
    )
    mel = (basis @ spectrum.abs()).clamp_min(FLOOR).log().T
    level = mel.mean(-1)
    active = level > level.max() - ACTIVE_RANGE
    return mel - mel[active].mean()


@dataclass(frozen=True)
class TrunkConfig:
    """Size of a trunk; it sees about ``n_blocks * (kernel - 1)`` half-rate frames.

    `n_inputs` numbers are a frame: the mel's, and whatever else a judge hears.
    """

    channels: int = 160
    n_blocks: int = 5
    kernel: int = 7
    dropout: float = 0.1
    n_inputs: int = N_MELS


class Block(nn.Module):
    """Depthwise convolution, then a two-layer network on each frame, residual (ConvNeXt)."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        c = config.channels
        self.depthwise = nn.Conv1d(c, c, config.kernel, padding=config.kernel // 2, groups=c)
        self.norm = nn.LayerNorm(c)
        self.expand = nn.Linear(c, 2 * c)
        self.project = nn.Linear(2 * c, c)
        self.dropout = nn.Dropout(config.dropout)
        self.scale = nn.Parameter(torch.full((c,), 0.3))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y = self.depthwise((x * mask).transpose(1, 2)).transpose(1, 2)
        y = self.project(nn.functional.gelu(self.expand(self.norm(y))))
        return x + self.scale * self.dropout(y)


class Trunk(nn.Module):
    """Frames (B, T, n_inputs) -> (B, ceil(T / 2), channels); padding reaches no real frame."""

    def __init__(self, config: TrunkConfig) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(config.n_inputs))
        self.register_buffer("std", torch.ones(config.n_inputs))
        self.stem = nn.Conv1d(config.n_inputs, config.channels, 5, stride=SUBSAMPLING, padding=2)
        self.stem_norm = nn.LayerNorm(config.channels)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_blocks))
        self.norm = nn.LayerNorm(config.channels)

    def set_statistics(self, mel: Tensor) -> None:
        """Take mean and deviation per channel from frames (T, n_inputs) of training audio."""
        self.mean.copy_(mel.mean(0))
        self.std.copy_(mel.std(0).clamp_min(1e-3))

    def forward(self, mel: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        mask = length_mask(lengths, mel.size(1))
        x = (mel - self.mean) / self.std * mask
        x = self.stem_norm(self.stem(x.transpose(1, 2)).transpose(1, 2))
        lengths = out_lengths(lengths)
        mask = length_mask(lengths, x.size(1))
        for block in self.blocks:
            x = block(x, mask)
        return self.norm(x), lengths


def out_lengths(lengths: Tensor) -> Tensor:
    """Frames that the trunk returns for `lengths` frames of mel."""
    return (lengths + SUBSAMPLING - 1) // SUBSAMPLING


def length_mask(lengths: Tensor, size: int) -> Tensor:
    """(B, size, 1): 1 on real frames, 0 on padding."""
    return (torch.arange(size)[None] < lengths[:, None]).unsqueeze(-1).float()
