"""Triangular mel filters on Slaney's scale: those of `librosa.filters.mel`, to the last bit.

That function imports SciPy's signal processing and numba, a second and a half of processor time at
the start of every command that makes a model. A test holds these values to its own.

Source: M. Slaney, Auditory Toolbox, Interval Research technical report 1998-010: linear below
1 kHz, logarithmic above, each filter of unit area.
"""

import numpy as np

_HZ_PER_MEL = 200.0 / 3
_LOG_FROM_HZ = 1000.0
_LOG_FROM_MEL = _LOG_FROM_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


def mel_basis(fs: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> np.ndarray:
    """Weights that sum a magnitude spectrum's bins into mel bands.

    Args:
        fs: Sampling rate (Hz).
        n_fft: Length of the transform.
        n_mels: Bands.
        fmin: Lower edge of the lowest band (Hz).
        fmax: Upper edge of the highest band (Hz).

    Returns:
        (n_mels, 1 + n_fft // 2), float32.
    """
    edges = band_edges(n_mels, fmin, fmax)
    widths = np.diff(edges)
    ramps = np.subtract.outer(edges, np.fft.rfftfreq(n_fft, 1.0 / fs))
    rising = -ramps[:-2] / widths[:-1, None]
    falling = ramps[2:] / widths[1:, None]
    weights = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    weights *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return weights


def band_edges(n_mels: int, fmin: float, fmax: float) -> np.ndarray:
    """Edges (n_mels + 2,) in Hz; a band rises from one to the next, its centre, and falls again."""
    return _mel_to_hz(np.linspace(_hz_to_mel(fmin), _hz_to_mel(fmax), n_mels + 2))


def _hz_to_mel(hz: float) -> float:
    if hz < _LOG_FROM_HZ:
        return hz / _HZ_PER_MEL
    return _LOG_FROM_MEL + np.log(hz / _LOG_FROM_HZ) / _LOG_STEP


def _mel_to_hz(mels: np.ndarray) -> np.ndarray:
    linear = _HZ_PER_MEL * mels
    return np.where(
        mels < _LOG_FROM_MEL, linear, _LOG_FROM_HZ * np.exp(_LOG_STEP * (mels - _LOG_FROM_MEL))
    )
