"""How far up the spectrum of a recording reaches.

Material that was resampled up, or went through a lossy codec or a telephone, says a higher rate
than it holds: above an edge there is nothing but rounding. Such an edge is steep and cuts through
noise. So it is looked for where there is noise, in frames that are not periodic (consonants,
breaths, the room): where a voice ends by itself it ends in its harmonics, and tones without any
noise have nothing above them whatever their rate. Audio without noise is not judged.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from espnet2_ext.audio.autocorrelation import FRAME_SEC, pitch

APERIODIC = 0.5
"""Frames whose autocorrelation peaks lower are noise."""
LASTING_FRAMES = 5
"""A shorter stretch of such frames is the change from one tone to the next."""
LOUD_SHARE, MOST_FRAMES = 0.1, 100
"""Of the frames that are noise, those with the most of it are looked at."""
WINDOW_SEC = 0.06
BAND_HZ = 250.0
QUANTILE = 0.2
"""A band's level is what this share of its bins stays below: a tone does not fill a band."""
FLOOR_DB = -130.0
"""Level of a band, in dB of full scale, that counts as nothing: below the rounding of 16 bits."""
CLIFF_DB = 30.0
BELOW_HZ, WITHIN_HZ = 2000.0, 1500.0
"""Every band of `BELOW_HZ` under a cliff lies `CLIFF_DB` above every band beyond it, which begins
after `WITHIN_HZ`. Most resamplers are steeper. With 25 dB, or with 1 kHz below, synthetic
fricatives of the embedded corpus are called cut off (3 of 300 utterances, 1 of 637)."""
LOWEST_HZ = 2500.0
"""An edge below it would not leave a telephone's speech."""
HIGHEST_HZ = 16500.0
"""Above, nothing need be: lossy codecs of good quality end there. One of four real recordings does,
at 18.75 kHz."""
HIGHEST_SHARE = 0.8
"""Of half the rate: filters of converters and of plain resamplers begin there."""


@dataclass(frozen=True)
class Band:
    """What is known of the top of a spectrum.

    Args:
        fs: Rate of the samples (Hz).
        level_db: Level of bands (K,) of `BAND_HZ` where there is noise, in dB of full scale; None
            where there is none.
    """

    fs: int
    level_db: np.ndarray | None

    @classmethod
    def of(cls, wav: np.ndarray, fs: int, clarity: np.ndarray | None = None) -> "Band":
        """Measure samples (N,) in [-1, 1].

        Args:
            wav: The samples.
            fs: Their rate (Hz).
            clarity: How periodic each frame is (T,), where that is known already.
        """
        if clarity is None:
            clarity = pitch(wav, fs, -(-len(wav) // round(fs * FRAME_SEC)))[1]
        frames = _noise_frames(wav, fs, clarity)
        return cls(fs, _band_levels_db(frames, fs) if len(frames) else None)

    def edge_hz(self, cliff_db: float = CLIFF_DB, highest: bool = False) -> float | None:
        """The frequency above which nothing is; None where there is no such edge, or no noise.

        Args:
            cliff_db: How steep it is.
            highest: Also the edges that good codecs and converters have.
        """
        if self.level_db is None:
            return None
        level = self.level_db
        below, within = round(BELOW_HZ / BAND_HZ), round(WITHIN_HZ / BAND_HZ)
        best_db, edge_hz = cliff_db, None
        for last in range(round(LOWEST_HZ / BAND_HZ), len(level) - within):
            beyond_db = level[last + within :].max()
            drop_db = float(level[last - below : last].min() - beyond_db)
            if drop_db > best_db:
                best_db, half_db = drop_db, (level[last - 1] + beyond_db) / 2
                edge_hz = BAND_HZ * (last + np.argmax(level[last:] < half_db))
        highest_hz = self.fs / 2 if highest else min(HIGHEST_HZ, HIGHEST_SHARE * self.fs / 2)
        return float(edge_hz) if edge_hz is not None and edge_hz <= highest_hz else None


def _noise_frames(wav: np.ndarray, fs: int, clarity: np.ndarray) -> np.ndarray:
    """The loudest frames of lasting noise (T, W), by what is high in them."""
    hop, size = round(fs * FRAME_SEC), round(fs * WINDOW_SEC)
    noise = np.pad(clarity < APERIODIC, LASTING_FRAMES // 2)
    noise = np.lib.stride_tricks.sliding_window_view(noise, LASTING_FRAMES).all(axis=1)
    chosen = np.flatnonzero(noise)
    starts = chosen * hop + hop // 2 - size // 2
    within = (starts >= 0) & (starts + size <= len(wav))
    chosen, starts = chosen[within], starts[within]
    if not len(starts):
        return np.zeros((0, size), np.float32)
    rise = np.diff(wav)[: (len(wav) - 1) // hop * hop].reshape(-1, hop)
    energy = np.einsum("th,th->t", rise, rise)
    loudness = energy[np.minimum(chosen, len(energy) - 1)]
    count = min(MOST_FRAMES, max(LASTING_FRAMES, round(LOUD_SHARE * len(starts))))
    loudest = starts[np.argsort(-loudness, kind="stable")[:count]]
    return np.lib.stride_tricks.sliding_window_view(wav, size)[loudest]


def _band_levels_db(frames: np.ndarray, fs: int) -> np.ndarray:
    """Level of bands (K,) of frames (T, W), in dB of full scale."""
    from scipy import fft, signal

    window = signal.get_window("hann", frames.shape[1]).astype(np.float32)
    spectrum = fft.rfft(frames * (window / np.sqrt(np.mean(window**2))), axis=1)
    power = 2.0 * np.abs(spectrum).astype(np.float64) ** 2 / frames.shape[1] ** 2
    per_band = BAND_HZ * frames.shape[1] / fs  # bins
    n_bands = int(fs / 2 / BAND_HZ)
    edges = np.round(np.arange(n_bands + 1) * per_band).astype(int)
    levels = [
        np.quantile(power[:, start:stop], QUANTILE, axis=1).mean() * per_band
        for start, stop in itertools.pairwise(edges)
    ]
    return 10.0 * np.log10(np.array(levels) + 10.0 ** (FLOOR_DB / 10.0))
