"""Griffin-Lim: a waveform from a log-mel spectrogram without a trained vocoder."""

import torch
from torch import Tensor

from espnet2_ext.audio.mel import LogMel

_MOMENTUM = 0.99


def mel_to_magnitude(mel: Tensor, log_mel: LogMel, n_iter: int = 20) -> Tensor:
    """Non-negative linear magnitudes whose mel is closest (multiplicative NNLS updates).

    Args:
        mel (Tensor): (B, T, n_mels), natural log.
        log_mel: Analysis of the same configuration.
        n_iter: Updates.

    Returns:
        Tensor: (B, n_fft // 2 + 1, T).
    """
    target = mel.transpose(1, 2).exp()
    basis = log_mel.basis
    magnitude = (basis.T / basis.sum(1).clamp_min(1e-8)) @ target + 1e-8
    numerator = basis.T @ target
    for _ in range(n_iter):
        magnitude = magnitude * numerator / (basis.T @ (basis @ magnitude)).clamp_min(1e-8)
    return magnitude


def griffin_lim(mel: Tensor, log_mel: LogMel, n_iter: int = 32, seed: int = 0) -> Tensor:
    """Fast Griffin-Lim (Perraudin et al. 2013) on log-mel frames.

    Args:
        mel (Tensor): (B, T, n_mels), natural log.
        log_mel: Analysis of the same configuration.
        n_iter: Iterations.
        seed: Of the initial phases.

    Returns:
        Tensor: (B, T * hop_length), frame k centred on the middle of its hop, as `LogMel` has it.
    """
    c = log_mel.config
    magnitude = mel_to_magnitude(mel, log_mel)
    n_samples = mel.size(1) * c.hop_length
    generator = torch.Generator().manual_seed(seed)
    phase = 2 * torch.pi * torch.rand(magnitude.shape, generator=generator).to(magnitude)
    angles = torch.polar(torch.ones_like(magnitude), phase)
    previous = torch.zeros_like(angles)
    stft = (c.n_fft, c.hop_length, c.win_length, log_mel.window)
    for _ in range(n_iter):
        wav = torch.istft(magnitude * angles, *stft, length=n_samples)
        rebuilt = torch.stft(wav, *stft, return_complex=True)[..., : mel.size(1)]
        angles = rebuilt - _MOMENTUM / (1 + _MOMENTUM) * previous
        angles = angles / angles.abs().clamp_min(1e-12)
        previous = rebuilt
    # istft centres frame k on k * hop_length, LogMel on half a hop later
    half = c.hop_length // 2
    wav = torch.istft(magnitude * angles, *stft, length=n_samples - half)
    return torch.nn.functional.pad(wav, (half, 0))
