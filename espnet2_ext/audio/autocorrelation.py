"""F0 and periodicity by autocorrelation, one value per 10 ms: cheap, and free of any model."""

import numpy as np

FRAME_SEC = 0.01
PITCH_FS = 12000
"""F0 is found at this rate: four lags per semitone at 200 Hz before interpolation."""
PITCH_WINDOW = 512
"""Samples at `PITCH_FS`: two periods of 60 Hz, with some to spare."""
F0_RANGE_HZ = (60.0, 1100.0)
FIRST_PEAK = 0.9
"""The first peak this close to the highest is the period (McLeod and Wyvill 2005, their k)."""
_CHUNK = 1000


def pitch(wav: np.ndarray, fs: int, n_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """F0 by the normalised square difference function (McLeod and Wyvill 2005).

    Args:
        wav: Samples (N,).
        fs: Rate (Hz).
        n_frames: Frames wanted.

    Returns:
        F0 (T,) in Hz, and the height of the peak it was taken from (T,); both 0 where there is no
        peak.
    """
    import soxr

    low = soxr.resample(wav, fs, PITCH_FS, quality="LQ")
    hop = round(PITCH_FS * FRAME_SEC)
    lead = PITCH_WINDOW // 2 - hop // 2
    padded = np.zeros(n_frames * hop + PITCH_WINDOW, np.float32)
    part = low[: len(padded) - lead]
    padded[lead : lead + len(part)] = part
    windows = np.lib.stride_tricks.sliding_window_view(padded, PITCH_WINDOW)[::hop][:n_frames]
    energy = np.concatenate([[0.0], np.cumsum(padded.astype(np.float64) ** 2)])
    energies = np.lib.stride_tricks.sliding_window_view(energy, PITCH_WINDOW + 1)[::hop][:n_frames]
    parts = [
        _nsdf_peaks(windows[start : start + _CHUNK], energies[start : start + _CHUNK])
        for start in range(0, n_frames, _CHUNK)
    ]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def _nsdf_peaks(windows: np.ndarray, energies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """F0 and clarity of windows (T, W), with running sums of squares (T, W + 1)."""
    from scipy import fft

    longest = int(PITCH_FS / F0_RANGE_HZ[0]) + 2
    shortest = int(PITCH_FS / F0_RANGE_HZ[1])
    size = 2 * PITCH_WINDOW
    spectrum = fft.rfft(windows, size, axis=1)  # scipy's stays in single precision
    power = spectrum.real**2 + spectrum.imag**2
    correlation = fft.irfft(power, size, axis=1)[:, :longest]
    # energy of the two parts that a lag compares
    first_part = energies[:, PITCH_WINDOW : PITCH_WINDOW - longest : -1] - energies[:, :1]
    second_part = energies[:, -1:] - energies[:, :longest]
    nsdf = 2.0 * correlation / np.maximum(first_part + second_part, 1e-9)
    middle = nsdf[:, 1:-1]
    peaks = (middle > nsdf[:, :-2]) & (middle >= nsdf[:, 2:]) & (middle > 0)
    peaks &= np.logical_or.accumulate(middle < 0, axis=1)  # past the lobe of lag 0
    peaks[:, : shortest - 1] = False
    heights = np.where(peaks, middle, 0.0)
    highest = heights.max(axis=1, keepdims=True)
    first = np.argmax(peaks & (heights >= FIRST_PEAK * highest), axis=1)
    rows = np.arange(len(nsdf))
    left, top, right = (nsdf[rows, first + k] for k in (0, 1, 2))
    bend = left - 2.0 * top + right
    shift = np.where(bend < 0, 0.5 * (left - right) / np.where(bend < 0, bend, 1.0), 0.0)
    voiced = highest[:, 0] > 0
    f0 = np.where(voiced, PITCH_FS / (first + 1 + shift), 0.0)
    return f0, np.where(voiced, np.clip(top, 0.0, 1.0), 0.0)
