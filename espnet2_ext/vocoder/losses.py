"""Reconstruction losses between waveforms, on magnitudes alone."""

import torch
from torch import Tensor, nn

LOG_FLOOR = 1e-4
"""Smallest magnitude that counts: about the noise floor of 16 bits in a window of a thousand."""


class MultiResolutionSTFTLoss(nn.Module):
    """Spectral convergence and L1 of log magnitudes (Yamamoto et al. 2020, eq. 4 to 6).

    Args:
        fft_sizes: One resolution each; windows are as long, hops a quarter.
    """

    def __init__(self, fft_sizes: tuple[int, ...] = (2048, 1024, 512, 256, 128)) -> None:
        super().__init__()
        self.fft_sizes = tuple(fft_sizes)
        for size in self.fft_sizes:
            self.register_buffer(f"window_{size}", torch.hann_window(size), persistent=False)

    def forward(self, wav_hat: Tensor, wav: Tensor) -> Tensor:
        """Scalar loss of `wav_hat` (B, N) against `wav` (B, N); 0 when they are equal."""
        total = wav_hat.new_zeros(())
        for size in self.fft_sizes:
            window = getattr(self, f"window_{size}")
            S_hat, S = (_magnitude(x, window) for x in (wav_hat, wav))
            convergence = (S - S_hat).norm() / S.norm().clamp_min(1e-3)
            total = total + convergence + (S.log() - S_hat.log()).abs().mean()
        return total / len(self.fft_sizes)


def _magnitude(wav: Tensor, window: Tensor) -> Tensor:
    size = window.numel()
    spectrum = torch.stft(wav, size, size // 4, window=window, return_complex=True)
    # squares are floored before the root, whose gradient at zero is infinite
    return (spectrum.real**2 + spectrum.imag**2).clamp_min(LOG_FLOOR**2).sqrt()
