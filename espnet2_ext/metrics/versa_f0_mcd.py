"""F0 RMSE, F0 correlation and mel-cepstral distortion as VERSA's `mcd_f0` defines them.

The settings are VERSA's as shipped (facts that published tables rest on): waveforms scaled to the
16-bit range, a 255-tap low-cut filter at 70 Hz, WORLD harvest between 40 and 800 Hz every 5 ms,
cheaptrick with FFT size 1024, mel-cepstra of order 39 with alpha .466 at any rate; the 0th
coefficient counts in the distance.

Two deviations. Audio above 24 kHz is brought to 24 kHz: cheaptrick with FFT size 1024 takes 500 Hz
for any F0 below 3 fs / 1021 (130 Hz at 44.1 kHz: a man's voice), and says nothing. With DTW, the
warping path is the best one, where VERSA takes fastdtw's approximation (radius 1);
`align=fast_dtw.fast_warping_path` gives VERSA's own.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Align = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]

INT16_MAX = 32767
FRAME_PERIOD_MS = 5.0
F0_FLOOR_HZ, F0_CEIL_HZ = 40.0, 800.0
LOW_CUT_HZ, LOW_CUT_TAPS = 70.0, 255
N_FFT = 1024
WORLD_FS = 24000
"""Highest rate (Hz) at which WORLD analyses: F0 from 3 fs / (`N_FFT` - 3) on, 70.5 Hz, is taken as
it is (WORLD's `GetF0FloorForCheapTrick`)."""
ORDER, ALPHA = 39, 0.466
POWER_THRESHOLD_DB = -20.0
MISMATCH_TOLERANCE = 0.1
_MCD_SCALE = 10.0 / np.log(10.0) * np.sqrt(2.0)


@dataclass(frozen=True)
class WorldFeatures:
    """WORLD analysis of one waveform, a frame every 5 ms.

    Args:
        f0: Hz (T,); 0 where unvoiced.
        mcep: Mel-cepstra (T, 40).
        power_db: Power of the envelope over its mean (T,), dB.
    """

    f0: np.ndarray
    mcep: np.ndarray
    power_db: np.ndarray


@dataclass(frozen=True)
class F0Mcd:
    """VERSA's three numbers; NaN where they are not defined."""

    mcd_db: float
    f0_rmse_hz: float
    f0_corr: float


def low_cut(wav: np.ndarray, fs: int) -> np.ndarray:
    """High-pass FIR filter, causal (the delay is the same for both signals)."""
    from scipy.signal import firwin, lfilter

    taps = firwin(LOW_CUT_TAPS, LOW_CUT_HZ / (fs // 2), pass_zero=False)
    return lfilter(taps, 1, wav)


def frequency_warp(order_in: int, order: int = ORDER, alpha: float = ALPHA) -> np.ndarray:
    """Matrix (order + 1, order_in + 1) from cepstra to mel-cepstra (SPTK's `freqt`).

    Row 0 is the warped origin; the other rows follow the all-pass recursion
    g_k(m) = g_{k-1}(m-1) + alpha (g_k(m-1) - g_{k-1}(m)), run here over all inputs at once.
    """
    warp = np.zeros((order + 1, order_in + 1))
    unit = np.eye(order_in + 1)
    for m in range(order_in, -1, -1):
        previous = warp.copy()
        warp[0] = unit[m] + alpha * previous[0]
        if order >= 1:
            warp[1] = (1 - alpha**2) * previous[0] + alpha * previous[1]
        for k in range(2, order + 1):
            warp[k] = previous[k - 1] + alpha * (previous[k] - warp[k - 1])
    return warp


def envelope_to_mcep(envelope: np.ndarray, order: int = ORDER, alpha: float = ALPHA) -> np.ndarray:
    """Mel-cepstra (T, order + 1) of power envelopes (T, n_fft / 2 + 1), as SPTK's `sp2mc`."""
    cepstra = np.fft.irfft(np.log(envelope))[:, : envelope.shape[1]]
    cepstra[:, 0] /= 2
    return cepstra @ _cached_warp(cepstra.shape[1] - 1, order, alpha).T


_WARPS: dict[tuple[int, int, float], np.ndarray] = {}


def _cached_warp(order_in: int, order: int, alpha: float) -> np.ndarray:
    key = (order_in, order, alpha)
    if key not in _WARPS:
        _WARPS[key] = frequency_warp(*key)
    return _WARPS[key]


def at_world_rate(wav: np.ndarray, fs: int) -> tuple[np.ndarray, int]:
    """Samples (N,) and their rate, at most `WORLD_FS`."""
    if fs <= WORLD_FS:
        return wav, fs
    import soxr

    return soxr.resample(np.asarray(wav, np.float64), fs, WORLD_FS, quality="HQ"), WORLD_FS


def world_features(wav: np.ndarray, fs: int) -> WorldFeatures:
    """Analyse samples (N,) in [-1, 1]; harvest takes about a quarter of the audio's duration."""
    import pyworld

    wav, fs = at_world_rate(wav, fs)
    scaled = low_cut(np.asarray(wav, np.float64) * INT16_MAX, fs)
    f0, times = pyworld.harvest(
        scaled, fs, f0_floor=F0_FLOOR_HZ, f0_ceil=F0_CEIL_HZ, frame_period=FRAME_PERIOD_MS
    )
    envelope = pyworld.cheaptrick(scaled, f0, times, fs, fft_size=N_FFT)
    power = (envelope[:, 0] + envelope[:, -1] + 2 * envelope[:, 1:-1].sum(1)) / N_FFT
    return WorldFeatures(f0, envelope_to_mcep(envelope), 10 * np.log10(power / power.mean()))


def warping_path(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices into a (N, D) and b (M, D) of the least-cost monotonic path, Euclidean distance.

    Steps are (1, 0), (0, 1), (1, 1) with weight 1. Exact, one anti-diagonal at a time.
    """
    from scipy.spatial.distance import cdist

    cost = cdist(a, b)
    n, m = cost.shape
    # total[i + 1, j + 1] is the cost of the best path to (i, j).
    total = np.full((n + 1, m + 1), np.inf)
    total[0, 0] = 0.0
    flat, width = total.ravel(), m + 1
    for diagonal in range(n + m - 1):
        i = np.arange(max(0, diagonal - m + 1), min(n, diagonal + 1))
        j = diagonal - i
        at = (i + 1) * width + j + 1
        best = np.minimum(np.minimum(flat[at - width], flat[at - 1]), flat[at - width - 1])
        flat[at] = best + cost[i, j]
    i, j = n, m
    path = [(n - 1, m - 1)]
    while i > 1 or j > 1:
        diagonal, up, left = total[i - 1, j - 1], total[i - 1, j], total[i, j - 1]
        if diagonal <= up and diagonal <= left:
            i, j = i - 1, j - 1
        elif up <= left:
            i -= 1
        else:
            j -= 1
        path.append((i - 1, j - 1))
    indices = np.array(path[::-1])
    return indices[:, 0], indices[:, 1]


def mcd_f0(hyp: WorldFeatures, ref: WorldFeatures) -> F0Mcd:
    """VERSA's default, without DTW: frame against frame over ALL frames, unvoiced as 0 Hz.

    Both are cut to the shorter one.

    Raises:
        ValueError: lengths differ by more than VERSA tolerates.
    """
    rmse_hz, corr = f0_distance(hyp.f0, ref.f0)
    n = min(len(hyp.f0), len(ref.f0))
    return F0Mcd(mcd_between(hyp.mcep[:n], ref.mcep[:n]), rmse_hz, corr)


def f0_distance(hyp: np.ndarray, ref: np.ndarray) -> tuple[float, float]:
    """RMSE (Hz) and correlation of F0 (T,) and (T',) as `mcd_f0` compares them; needs no audio.

    Raises:
        ValueError: lengths differ by more than VERSA tolerates.
    """
    n_hyp, n_ref = len(hyp), len(ref)
    n = min(n_hyp, n_ref)
    if (n_hyp + n_ref - 2 * n) / (n_hyp + n_ref) >= MISMATCH_TOLERANCE:
        raise ValueError(f"{n_hyp} frames against {n_ref}: VERSA compares similar lengths only")
    hyp, ref = hyp[:n], ref[:n]
    return float(np.sqrt(np.mean((hyp - ref) ** 2))), pearson(hyp, ref)


def mcd_dtw(hyp: WorldFeatures, ref: WorldFeatures, align: Align = warping_path) -> float:
    """MCD (dB) along the warping path of the frames above -20 dB of the mean power."""
    a = hyp.mcep[hyp.power_db > POWER_THRESHOLD_DB]
    b = ref.mcep[ref.power_db > POWER_THRESHOLD_DB]
    if not len(a) or not len(b):
        return float("nan")
    i, j = align(a, b)
    return mcd_between(a[i], b[j])


def mcd_f0_dtw(hyp: WorldFeatures, ref: WorldFeatures, align: Align = warping_path) -> F0Mcd:
    """VERSA with DTW: F0 over voiced frames only, warped by the mel-cepstra of voiced frames."""
    voiced_hyp, voiced_ref = hyp.f0 > 0, ref.f0 > 0
    rmse = corr = float("nan")
    if voiced_hyp.any() and voiced_ref.any():
        i, j = align(hyp.mcep[voiced_hyp], ref.mcep[voiced_ref])
        f0_hyp, f0_ref = hyp.f0[voiced_hyp][i], ref.f0[voiced_ref][j]
        rmse = float(np.sqrt(np.mean((f0_hyp - f0_ref) ** 2)))
        corr = pearson(f0_hyp, f0_ref)
    return F0Mcd(mcd_dtw(hyp, ref, align), rmse, corr)


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson correlation; NaN for fewer than two samples or a constant one."""
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def mcd_between(a: np.ndarray, b: np.ndarray) -> float:
    """Mean over frames of 10 / ln 10 * sqrt(2 * sum of squared differences), dB; (T, D) each."""
    return float(np.mean(_MCD_SCALE * np.sqrt(np.sum((a - b) ** 2, axis=1))))
