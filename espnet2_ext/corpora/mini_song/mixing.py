"""Vocal and accompaniment joined: levels, and a mix that is exactly their sum."""

from dataclasses import dataclass

import numpy as np

from espnet2_ext.audio.wav import PCM16_FULL_SCALE

VOCAL_DB, ACCOMPANIMENT_DB = -19.0, -29.0
"""Levels of usual songs (dB, RMS of what sounds, against full scale).

The voice stands farther out than in most records, so that a small recogniser hears the words.
"""
_PEAK = 0.95
_SOUNDS_DB = 40.0  # below the loudest frame: what is softer is a pause
_FRAME_SEC = 0.05


@dataclass(frozen=True)
class Stems:
    """A song's parts: (N,) float64 on the grid of 16-bit samples, so that their sum is exact."""

    vocal: np.ndarray
    accompaniment: np.ndarray

    @property
    def mix(self) -> np.ndarray:
        """Their sum (N,)."""
        return self.vocal + self.accompaniment


def level_db(wav: np.ndarray, fs: int) -> float:
    """Level (dB against full scale) of a sound (N,) where it sounds."""
    size = round(_FRAME_SEC * fs)
    frames = wav[: len(wav) // size * size].reshape(-1, size) if len(wav) >= size else wav[None]
    power = np.mean(frames**2, axis=1)
    sounds = power > power.max() * 10 ** (-_SOUNDS_DB / 10)
    return float(10 * np.log10(power[sounds].mean() + 1e-12))


def balance(vocal: np.ndarray, accompaniment: np.ndarray, fs: int, gain_db: float) -> Stems:
    """Bring stems (N,) to their levels, `gain_db` louder than usual; the mix does not clip."""
    vocal = vocal * 10 ** ((VOCAL_DB + gain_db - level_db(vocal, fs)) / 20)
    wanted = ACCOMPANIMENT_DB + gain_db
    accompaniment = accompaniment * 10 ** ((wanted - level_db(accompaniment, fs)) / 20)
    peaks = (vocal + accompaniment, vocal, accompaniment)
    peak = max(float(np.abs(wav).max()) for wav in peaks)
    scale = min(1.0, _PEAK / peak)
    return Stems(_on_grid(vocal * scale), _on_grid(accompaniment * scale))


def _on_grid(wav: np.ndarray) -> np.ndarray:
    return np.round(wav * PCM16_FULL_SCALE) / PCM16_FULL_SCALE
