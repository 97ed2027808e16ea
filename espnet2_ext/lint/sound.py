"""What the linter hears in an utterance: level and F0, one value per 10 ms, at little cost."""

import functools
from dataclasses import dataclass

import numpy as np

from espnet2_ext.audio.autocorrelation import FRAME_SEC, pitch

SILENCE_DB = -120.0


@dataclass(frozen=True)
class Sound:
    """An utterance's audio and what was measured of it.

    Args:
        wav: Samples (N,) in [-1, 1], centred.
        fs: Rate (Hz).
        offset: Mean of the samples as they were.
        level_db: RMS (T,) in dB of full scale; frame k is centred on (k + 0.5) * FRAME_SEC.
    """

    wav: np.ndarray
    fs: int
    offset: float
    level_db: np.ndarray

    @classmethod
    def of(cls, wav: np.ndarray, fs: int) -> "Sound":
        """Measure samples (N,)."""
        offset = float(wav.mean())
        wav = wav - np.float32(offset)
        return cls(wav, fs, offset, levels_db(wav, fs))

    @property
    def duration_sec(self) -> float:
        return len(self.wav) / self.fs

    @functools.cached_property
    def pitch(self) -> tuple[np.ndarray, np.ndarray]:
        """F0 (T,) in Hz and how periodic each frame is (T,), 0 to 1."""
        return pitch(self.wav, self.fs, len(self.level_db))

    def frames(self, start_sec: float, end_sec: float) -> slice:
        """Frames whose centres lie within a stretch."""
        first = int(np.ceil(max(0.0, start_sec) / FRAME_SEC - 0.5))
        return slice(first, max(first, int(np.ceil(max(0.0, end_sec) / FRAME_SEC - 0.5))))


def levels_db(wav: np.ndarray, fs: int) -> np.ndarray:
    """RMS over 20 ms around each frame's centre (T,), in dB of full scale."""
    hop = round(fs * FRAME_SEC)
    n_frames = -(-len(wav) // hop)
    padded = np.zeros(n_frames * hop, np.float32)
    padded[: len(wav)] = wav
    power = np.mean(padded.reshape(n_frames, hop) ** 2, axis=1, dtype=np.float64)
    around = np.pad(power, 1, mode="edge")
    power = 0.5 * power + 0.25 * (around[:-2] + around[2:])
    return 10.0 * np.log10(power + 10.0 ** (SILENCE_DB / 10.0))
