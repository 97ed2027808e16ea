"""Loudness, peaks and stimuli made here: one gain rule for every sample of a test."""

import warnings
from collections.abc import Mapping

import numpy as np
from scipy.signal import fftconvolve, firwin, resample_poly

TARGET_LUFS = -23.0
"""EBU R 128; the default."""
PEAK_CEILING_DB = -1.0
"""Highest true peak (dBTP) of any sample, EBU R 128."""
BLOCK_SEC = 0.4
"""Gating block of BS.1770: nothing shorter has a loudness."""
OVERSAMPLING = 4
ANCHOR_HZ = {"low_anchor": 3500.0, "mid_anchor": 7000.0}
ANCHOR_TRANSITION_HZ, ANCHOR_STOP_DB = 500.0, 60.0
"""BS.1534-3 asks for 25 dB at 4 kHz and 50 dB at 4.5 kHz of the 3.5 kHz anchor."""
SPOILED_HZ = 700.0


def loudness(wav: np.ndarray, fs: int) -> float:
    """Integrated loudness (LUFS) of mono samples (N,), ITU-R BS.1770-4; -inf for silence.

    Raises:
        ValueError: shorter than a gating block (0.4 s).
    """
    import pyloudnorm

    if len(wav) < BLOCK_SEC * fs:
        raise ValueError(f"{len(wav) / fs:.2f} s long")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of means over no block
        return float(pyloudnorm.Meter(fs).integrated_loudness(np.asarray(wav, np.float64)))


def true_peak(wav: np.ndarray) -> float:
    """Peak (dBTP) of the signal oversampled four times, BS.1770 annex 2; -inf for silence."""
    wav = np.asarray(wav, np.float64)
    peak = max(np.abs(resample_poly(wav, OVERSAMPLING, 1)).max(), np.abs(wav).max())
    return 20 * float(np.log10(peak)) if peak > 0 else float("-inf")


def common_target(
    levels: Mapping[str, tuple[float, float]], target: float = TARGET_LUFS
) -> tuple[float, str]:
    """Loudness that every sample can be brought to without its peak passing the ceiling.

    One target for all: lowering the clipping samples alone would mark their systems.

    Args:
        levels: Loudness (LUFS) and true peak (dBTP) of each sample.
        target: Wanted loudness (LUFS).

    Returns:
        The target or, where a sample would clip, a lower one, and the sample that lowered it.
    """
    reach = {name: PEAK_CEILING_DB - peak + lufs for name, (lufs, peak) in levels.items()}
    name = min(reach, key=lambda key: reach[key])
    return (target, "") if reach[name] >= target else (reach[name], name)


def scale_to(wav: np.ndarray, lufs: float, target: float) -> np.ndarray:
    """Samples of loudness `lufs` brought to `target` (LUFS)."""
    return np.asarray(wav, np.float64) * 10 ** ((target - lufs) / 20)


def low_pass(wav: np.ndarray, fs: int, cut_hz: float) -> np.ndarray:
    """Low-pass without delay: flat to `cut_hz`, 60 dB down 500 Hz above it.

    Raises:
        ValueError: the rate is too low for that filter to take anything away.
    """
    stop = cut_hz + ANCHOR_TRANSITION_HZ
    if stop >= fs / 2:
        raise ValueError(f"{fs} Hz audio has nothing above {cut_hz:g} Hz to take away")
    # Kaiser's formula for the length of the filter
    beta = 0.1102 * (ANCHOR_STOP_DB - 8.7)
    n = int(np.ceil((ANCHOR_STOP_DB - 7.95) / (14.36 * ANCHOR_TRANSITION_HZ / fs))) | 1
    taps = firwin(n, (cut_hz + stop) / 2, window=("kaiser", beta), fs=fs)
    return fftconvolve(np.asarray(wav, np.float64), taps, mode="full")[n // 2 :][: len(wav)]


def spoil(wav: np.ndarray, fs: int, seed: int) -> np.ndarray:
    """A sample that nobody who listens can take for good singing: muffled, in loud noise."""
    muffled = low_pass(wav, fs, SPOILED_HZ)
    power = np.sqrt(np.mean(muffled**2))
    return muffled + power * np.random.default_rng(seed).standard_normal(len(wav))
