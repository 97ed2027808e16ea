"""Where a sung syllable may be stretched: at the vowel it is sung on, where the sound stands still.

A singer holds the main vowel of a final, and takes glides and codas at their own pace.
"""

import numpy as np

FRAME_SEC = 0.005  # of every WORLD analysis and synthesis of the corpus

# Main vowel's place between the start of a final's vowels (0) and their end (1), by espeak-ng's
# name of the vowels; others are the same throughout.
_FALLING, _MIDDLE, _RISING = 0.2, 0.5, 0.8
_MAIN_VOWEL = {
    **dict.fromkeys(("ai", "ei", "Au", "ou", "@r"), _FALLING),
    **dict.fromkeys(("iou", "uei", "uai"), _MIDDLE),
    **dict.fromkeys(("iE", "iA", "yE", "y&", "y@", "yi", "u@", "uo", "uA", "ua"), _RISING),
}
_HOLD_WIDTH = 0.25  # of the vowels' length
_ELSEWHERE = 0.04  # weight of frames away from the main vowel
_CODA_SHARE = 0.25  # of the added time goes to a nasal coda
_EDGE_FRAMES = 5  # of a final, next to other phones
_BANDS = 24
_SMOOTH_FRAMES = 7


def stretch_weights(log_sp: np.ndarray, vowels: str, coda: int) -> np.ndarray:
    """Share of the added time that each frame of a final takes: (T,), sums to 1.

    Args:
        log_sp: Log spectral envelope of the final (T, bins).
        vowels: espeak-ng's name of the final's vowels.
        coda: First frame of the nasal coda; T where there is none.
    """
    n_frames = len(log_sp)
    place = _MAIN_VOWEL.get(vowels)
    position = (np.arange(n_frames) + 0.5) / coda
    hold = np.ones(n_frames)
    if place is not None:
        hold = np.exp(-(((position - place) / _HOLD_WIDTH) ** 2)) + _ELSEWHERE
    weights = hold * _stillness(log_sp)
    edge = min(_EDGE_FRAMES, coda // 4)
    weights[:edge] *= 0.1
    weights[coda - edge : coda] *= 0.1
    weights[coda:] = 0
    weights /= weights.sum()
    if n_frames - coda > 2:
        weights *= 1 - _CODA_SHARE
        weights[coda + 1 : n_frames - 1] = _CODA_SHARE / (n_frames - coda - 2)
    return weights


def stretched_times(weights: np.ndarray, duration_sec: float) -> np.ndarray:
    """Start (s) of each frame (T,) of a final sung for `duration_sec`; short: squeezed evenly."""
    natural = len(weights) * FRAME_SEC
    if duration_sec <= natural:
        lengths = np.full(len(weights), duration_sec / len(weights))
    else:
        lengths = FRAME_SEC + (duration_sec - natural) * weights
    return np.concatenate([[0.0], np.cumsum(lengths)[:-1]])


def _stillness(log_sp: np.ndarray) -> np.ndarray:
    """1 where the shape of the spectrum does not move, towards 0 where it moves most (T,)."""
    n_bins = log_sp.shape[1] // 2 // _BANDS * _BANDS
    bands = log_sp[:, :n_bins].reshape(len(log_sp), _BANDS, -1).mean(axis=2)
    bands = bands - bands.mean(axis=1, keepdims=True)
    speed = np.linalg.norm(np.gradient(bands, axis=0), axis=1)
    kernel = np.hanning(_SMOOTH_FRAMES + 2)[1:-1]
    speed = np.convolve(
        np.pad(speed, _SMOOTH_FRAMES // 2, mode="edge"), kernel / kernel.sum(), "valid"
    )
    return 1 / (1 + (speed / max(float(np.median(speed)), 1e-6)) ** 2)
