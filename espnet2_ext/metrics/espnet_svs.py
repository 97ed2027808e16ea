"""What ESPnet's svs1 reports: MCD, log-F0 RMSE, semitone accuracy, V/UV error.

As its scripts define them (`pyscripts/utils/evaluate_{mcd,f0,semitone,vuv}.py`): samples in the
16-bit range without any filter; a frame every 256 samples, FFT size 1024, order and alpha of the
mel-cepstra by sampling rate. MCD takes mel-cepstral analysis of Hamming windows; the other three
take WORLD harvest (40-800 Hz) and the mel-cepstra of cheaptrick's envelope. All frames, silence
too, are aligned by fastdtw on the mel-cepstra with energy.

One deviation: WORLD analyses at most 24 kHz (`versa_f0_mcd.WORLD_FS`), with that rate's order and
alpha; above, the scripts' FFT size gives F0 below 130 Hz (44.1 kHz) another envelope.

On signals of both kinds the four numbers agree with pysptk's and fastdtw's own to 1e-14.
"""

from dataclasses import dataclass

import numpy as np

from espnet2_ext.audio.pitch import A4_HZ
from espnet2_ext.metrics.fast_dtw import fast_warping_path
from espnet2_ext.metrics.musical import log_f0_rmse
from espnet2_ext.metrics.versa_f0_mcd import (
    F0_CEIL_HZ,
    F0_FLOOR_HZ,
    at_world_rate,
    envelope_to_mcep,
    frequency_warp,
    mcd_between,
)

N_FFT, N_SHIFT = 1024, 256
INT16_SCALE = 32768
EPSILON = 1e-6  # added to the periodogram
ORDER_AND_ALPHA = {
    16000: (23, 0.42),
    22050: (34, 0.45),
    24000: (34, 0.46),
    44100: (39, 0.53),
    48000: (39, 0.55),
}
_MIN_ITERATIONS, _MAX_ITERATIONS, _CONVERGED = 2, 30, 1e-3
_C0_HZ = A4_HZ * 2**-4.75


@dataclass(frozen=True)
class EspnetFeatures:
    """Analysis of one waveform.

    Args:
        mcep: Mel-cepstra of Hamming windows (T, order + 1), for MCD.
        world_mcep: Mel-cepstra of WORLD's envelope (T', its order + 1), which align F0.
        f0: Hz (T',); 0 where unvoiced.
    """

    mcep: np.ndarray
    world_mcep: np.ndarray
    f0: np.ndarray


@dataclass(frozen=True)
class EspnetScores:
    """The four numbers of an utterance; its table shows their means over utterances.

    Args:
        mcd_db: Mel-cepstral distortion (dB).
        log_f0_rmse: RMS difference of natural-log F0 over frames voiced on both sides; NaN without.
        semitone_acc: Share of aligned frames on the same semitone, unvoiced being one of its own.
        vuv_error: Share of aligned frames where voicing differs.
    """

    mcd_db: float
    log_f0_rmse: float
    semitone_acc: float
    vuv_error: float


def espnet_features(wav: np.ndarray, fs: int) -> EspnetFeatures:
    """Analyse samples (N,) in [-1, 1].

    Raises:
        ValueError: a rate for which the scripts have no setting, or less than one window.
    """
    import pyworld

    if fs not in ORDER_AND_ALPHA:
        raise ValueError(f"{fs} Hz: ESPnet has settings for {sorted(ORDER_AND_ALPHA)}")
    if len(wav) < N_FFT:
        raise ValueError(f"{len(wav)} samples: needs {N_FFT}")
    order, alpha = ORDER_AND_ALPHA[fs]
    samples = np.clip(np.round(np.asarray(wav, np.float64) * INT16_SCALE), -32768, 32767)
    world, world_fs = at_world_rate(samples, fs)
    f0, times = pyworld.harvest(
        world, world_fs, f0_floor=F0_FLOOR_HZ, f0_ceil=F0_CEIL_HZ, frame_period=N_SHIFT / fs * 1000
    )
    envelope = pyworld.cheaptrick(world, f0, times, world_fs, fft_size=N_FFT)
    frames = np.lib.stride_tricks.sliding_window_view(samples, N_FFT)[::N_SHIFT]
    return EspnetFeatures(
        mcep=mel_cepstra(frames * sptk_hamming(N_FFT), order, alpha),
        world_mcep=envelope_to_mcep(envelope, *ORDER_AND_ALPHA[world_fs]),
        f0=f0,
    )


def espnet_scores(hyp: EspnetFeatures, ref: EspnetFeatures) -> EspnetScores:
    """Compare two waveforms' features."""
    i, j = fast_warping_path(hyp.mcep, ref.mcep)
    mcd = mcd_between(hyp.mcep[i], ref.mcep[j])
    i, j = fast_warping_path(hyp.world_mcep, ref.world_mcep)
    return EspnetScores(mcd, *f0_scores(hyp.f0[i], ref.f0[j]))


def f0_scores(hyp: np.ndarray, ref: np.ndarray) -> tuple[float, float, float]:
    """Log-F0 RMSE, semitone accuracy and V/UV error of aligned F0 (T,), Hz, 0 where unvoiced."""
    same = semitone(hyp) == semitone(ref)
    return log_f0_rmse(hyp, ref), float(np.mean(same)), float(np.mean((hyp != 0) != (ref != 0)))


def semitone(f0: np.ndarray) -> np.ndarray:
    """Nearest semitone above C0 (T,); a number that no note has where unvoiced."""
    voiced = f0 != 0
    # As Python's round: halves to even.
    steps = np.round(12 * np.log2(np.where(voiced, f0, _C0_HZ) / _C0_HZ))
    return np.where(voiced, steps, -1e6)


def sptk_hamming(n: int) -> np.ndarray:
    """SPTK's Hamming window (n,): scaled to unit energy."""
    window = 0.54 - 0.46 * np.cos(2 * np.pi * np.arange(n) / (n - 1))
    return window / np.sqrt(np.sum(window**2))


def mel_cepstra(frames: np.ndarray, order: int, alpha: float) -> np.ndarray:
    """Mel-cepstral analysis of windowed frames (T, n): unbiased log-spectrum estimation by Newton.

    Minimises mean(exp(R) - R - 1), R = log of the periodogram over the model's power spectrum, over
    the mel-cepstrum (Fukada et al. 1992, SPTK's `mcep` with a floor of `EPSILON` on the
    periodogram); frame by frame until c(0) of the warped autocorrelation moves by less than .001.

    Returns:
        np.ndarray: (T, order + 1).
    """
    n_frames, n = frames.shape
    half = n // 2
    power = np.abs(np.fft.fft(frames, axis=1)) ** 2 + EPSILON
    cepstra = np.fft.ifft(np.log(power), axis=1).real[:, : half + 1]
    cepstra[:, [0, half]] /= 2
    mcep = cepstra @ frequency_warp(half, order, alpha).T
    back = frequency_warp(order, half, -alpha)
    warp_autocorrelation = autocorrelation_warp(half, 2 * order, alpha)
    origin = (-alpha) ** np.arange(order + 1)
    index = np.arange(order + 1)
    toeplitz = np.abs(index[:, None] - index)
    hankel = index[:, None] + index
    left = np.arange(n_frames)
    last = cepstra[:, 0]
    for iteration in range(1, _MAX_ITERATIONS + 1):
        spectrum = np.fft.rfft(mcep[left] @ back.T, n=n, axis=1).real
        ratio = power[left][:, : half + 1] / np.exp(2 * spectrum)
        r = np.fft.irfft(ratio, n=n, axis=1)[:, : half + 1] @ warp_autocorrelation.T
        if iteration >= _MIN_ITERATIONS:
            moving = np.abs((r[:, 0] - last) / r[:, 0]) >= _CONVERGED
            left, r = left[moving], r[moving]
            if not len(left):
                break
            last = r[:, 0]
        # Hessian r(|i-j|) + r(i+j) and gradient r(i) - (-alpha)^i of the criterion.
        hessian = r[:, toeplitz] + r[:, hankel]
        gradient = r[:, : order + 1] - origin
        mcep[left] += np.linalg.solve(hessian, gradient[..., None])[..., 0]
    return mcep


def autocorrelation_warp(order_in: int, order: int, alpha: float) -> np.ndarray:
    """Matrix (order + 1, order_in + 1) that warps an autocorrelation (SPTK's `frqtr`)."""
    warp = np.zeros((order + 1, order_in + 1))
    unit = np.eye(order_in + 1)
    for m in range(order_in, -1, -1):
        previous = warp.copy()
        warp[0] = unit[m]
        for k in range(1, order + 1):
            warp[k] = previous[k - 1] + alpha * (previous[k] - warp[k - 1])
    return warp
