"""Harmonics-to-noise ratio by forward cross-correlation (Boersma 1993; Praat's "Harmonicity (cc)").

Of a periodic sound in noise, the normalised correlation r of neighbouring periods is the share of
the harmonics in its power, and 10 log10(r / (1 - r)) their level above the noise.
"""

import numpy as np

TIME_STEP_SEC = 0.01
MIN_PITCH_HZ = 75.0
SILENCE_THRESHOLD = 0.1
"""Frames whose peak is below a tenth of the sound's can be silent; see `harmonicity_db`."""
PERIODS_PER_WINDOW = 1.0
INTERPOLATION_DEPTH = 30
"""Samples on either side that a value between samples is made of, with a raised-cosine window."""
MAX_CORRELATION = 1.0 - 1e-15
_FRAMES_AT_ONCE = 256


def mean_hnr_db(wav: np.ndarray, fs: int) -> float:
    """Mean HNR (dB) over the frames that have one; NaN without."""
    values = harmonicity_db(wav, fs)
    values = values[np.isfinite(values)]
    return float(np.mean(values)) if len(values) else float("nan")


def harmonicity_db(wav: np.ndarray, fs: int) -> np.ndarray:
    """HNR (dB) a frame of 10 ms, NaN where the sound is silent or has no period.

    A window as long as the longest period (1 / `MIN_PITCH_HZ`) is correlated with the windows up to
    that period later; the highest peak between samples counts. Silence competes with it as a
    candidate of the strength max(0, 2 - l / s), l being the frame's peak over the sound's and s
    `SILENCE_THRESHOLD` (Boersma 1993, eq. 23, voicing threshold and octave cost 0).

    Args:
        wav: Samples (N,).
        fs: Rate (Hz).

    Returns:
        (T,); frames whose windows fit into the sound, which stand in its middle. Empty for a sound
        shorter than two periods of `MIN_PITCH_HZ`.
    """
    wav = np.asarray(wav, np.float64)
    longest = 1.0 / MIN_PITCH_HZ
    width = int(PERIODS_PER_WINDOW * longest * fs)
    most = int(longest * fs) + 1
    whole = (PERIODS_PER_WINDOW + 1.0) * longest
    n_frames = int((len(wav) / fs - whole) / TIME_STEP_SEC + 1e-9) + 1
    span = width + most
    if len(wav) < span + 1 or n_frames < 1:
        return np.zeros(0)
    first = 0.5 * (len(wav) / fs - (n_frames - 1) * TIME_STEP_SEC)
    middles = first + np.arange(n_frames) * TIME_STEP_SEC
    starts = np.round((middles - 0.5 * whole) * fs).astype(np.int64)
    starts = np.clip(starts, 0, len(wav) - span)
    windows = np.lib.stride_tricks.sliding_window_view(wav, span)
    peak = np.abs(wav - wav.mean()).max()
    if peak <= 0:
        return np.full(n_frames, np.nan)
    half = round(0.5 * longest * fs)
    centre = slice(max(0, span // 2 - half), span // 2 + half + 1)
    parts = []
    for begin in range(0, n_frames, _FRAMES_AT_ONCE):
        frames = windows[starts[begin : begin + _FRAMES_AT_ONCE]]
        frames = frames - frames.mean(axis=1, keepdims=True)
        r = _highest_peaks(_correlations(frames, width))
        level = np.abs(frames[:, centre]).max(axis=1) / peak
        silence = np.maximum(0.0, 2.0 - level / SILENCE_THRESHOLD)
        kept = (r > silence) & (r > 0)
        r = np.clip(r, 1e-15, MAX_CORRELATION)
        parts.append(np.where(kept, 10.0 * np.log10(r / (1.0 - r)), np.nan))
    return np.concatenate(parts)


def _correlations(frames: np.ndarray, width: int) -> np.ndarray:
    """Normalised correlations (T, lags) of the first `width` samples of frames with later ones."""
    from scipy import fft

    size = fft.next_fast_len(frames.shape[1] + width, real=True)
    first = fft.rfft(frames[:, :width], size, axis=1)
    products = fft.irfft(np.conj(first) * fft.rfft(frames, size, axis=1), size, axis=1)
    squares = np.pad(np.cumsum(frames**2, axis=1), ((0, 0), (1, 0)))
    energies = squares[:, width:] - squares[:, :-width]
    norms = np.sqrt(np.maximum(energies * energies[:, :1], 1e-300))
    return products[:, : energies.shape[1]] / norms


def _highest_peaks(r: np.ndarray) -> np.ndarray:
    """The highest peak (T,), between samples, of correlations (T, lags); 0 without a peak.

    Lag 0 is no peak. The values between samples are those of the windowed sinc.
    """
    inner = r[:, 2:-1]
    left, right = r[:, 1:-2], r[:, 3:]
    bend = left - 2.0 * inner + right
    is_peak = (inner > 0) & (inner > left) & (inner >= right) & (bend < 0)
    bend = np.where(is_peak, bend, -1.0)
    # the parabola's height finds the peak, the sinc measures it
    heights = np.where(is_peak, inner - 0.125 * (left - right) ** 2 / bend, 0.0)
    place = heights.argmax(axis=1) + 2
    found = heights.max(axis=1) > 0
    rows = np.arange(len(r))
    # correlations are even about lag 0 as far as interpolation goes
    mirrored = np.concatenate([r[:, :0:-1], r], axis=1)
    offset = r.shape[1] - 1
    low, high = np.full(len(r), -1.0), np.full(len(r), 1.0)
    best = np.zeros(len(r))
    for _ in range(4):  # each time a quarter as wide
        at = np.linspace(low, high, 9, axis=1)
        values = np.stack(
            [_sinc(mirrored, rows, place + offset, at[:, k]) for k in range(at.shape[1])], axis=1
        )
        top = values.argmax(axis=1)
        best = values.max(axis=1)
        step = (high - low) / 8.0
        low, high = at[rows, top] - step, at[rows, top] + step
    best = np.where(best > 1.0, 1.0 / np.maximum(best, 1.0), best)
    return np.where(found, best, 0.0)


def _sinc(values: np.ndarray, rows: np.ndarray, place: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Rows of `values` (T, L) at `place` + `shift` (T,), by a windowed sinc."""
    offsets = np.arange(-INTERPOLATION_DEPTH, INTERPOLATION_DEPTH + 1)
    index = np.clip(place[:, None] + offsets, 0, values.shape[1] - 1)
    x = offsets - shift[:, None]
    window = 0.5 + 0.5 * np.cos(np.pi * np.clip(x / (INTERPOLATION_DEPTH + 0.5), -1, 1))
    return np.sum(values[rows[:, None], index] * np.sinc(x) * window, axis=1)
