"""LSD: the log-spectral distance of two signals, frame by frame.

For frames t and frequencies k of power spectra P and P':

    LSD = mean_t sqrt(mean_k (10 log10 P(t, k) - 10 log10 P'(t, k))^2)   [dB]

(Gray & Markel 1976, in its common form.) Windows of 2048 samples, a frame every 512, are those of
ssr_eval, whose LSD is the same without the factor 10: a tenth of this one, but for the floor.
"""

import numpy as np

N_FFT, HOP = 2048, 512
FLOOR_DB = -100.0
"""Of a sine at full scale: below it is what 16 bits cannot tell from silence."""
MOST_MISMATCH = 0.1
"""Share by which lengths may differ, as VERSA has it."""


def lsd(hyp: np.ndarray, ref: np.ndarray) -> float:
    """Log-spectral distance (dB); the longer signal is cut, nothing is aligned.

    Args:
        hyp: Samples (N,) in [-1, 1].
        ref: Samples (M,) at the same rate.

    Raises:
        ValueError: lengths that differ by more than `MOST_MISMATCH`, or less than one window.
    """
    n = min(len(hyp), len(ref))
    if n < N_FFT:
        raise ValueError(f"{n} samples: needs {N_FFT}")
    if max(len(hyp), len(ref)) - n > MOST_MISMATCH * max(len(hyp), len(ref)):
        raise ValueError(f"{len(hyp)} samples against {len(ref)}: frames do not correspond")
    difference = log_power(hyp[:n]) - log_power(ref[:n])
    return float(np.sqrt(np.square(difference).mean(1)).mean())


def log_power(wav: np.ndarray) -> np.ndarray:
    """Power (T, N_FFT / 2 + 1) in dB of a sine at full scale, floored."""
    window = np.hanning(N_FFT + 1)[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(np.asarray(wav, np.float64), N_FFT)[::HOP]
    amplitude = np.abs(np.fft.rfft(frames * window)) * 2 / window.sum()
    return 20 * np.log10(np.maximum(amplitude, 10 ** (FLOOR_DB / 20)))
