"""The eleven statistics of prosody that Zhao et al. (CoMelSinger, Table I) compare."""

from dataclasses import dataclass

import numpy as np

from espnet2_ext.evaluation.metric import LOWER, Metric, mean
from espnet2_ext.judges.f0 import Extractor, frame_times
from espnet2_ext.metrics.voice_quality import VoiceQuality, voice_quality

MOMENTS = ("mean", "std", "skew", "kurt")
STATISTICS: tuple[Metric, ...] = (
    *(mean(f"pitch_hz_{moment}", f"pitch, {moment}", f"pitch, {moment}", LOWER, 2)
      for moment in MOMENTS),
    *(mean(f"energy_db_{moment}", f"energy, {moment}", f"energy, {moment}", LOWER, 2)
      for moment in MOMENTS),
    mean("jitter_percent", "jitter (local, %)", "jitter, %", LOWER, 2),
    mean("shimmer_percent", "shimmer (local, %)", "shimmer, %", LOWER, 2),
    mean("hnr_db", "HNR (dB)", "HNR, dB", LOWER, 2),
)  # fmt: skip
"""Differences of each between two recordings: a lower one is more alike."""
_ENERGY_WINDOW_SEC = 0.02
_FLOOR = 1e-10


@dataclass(frozen=True)
class Prosody:
    """What is compared of a recording.

    Args:
        f0: Hz (T,), a frame every 10 ms, 0 where unvoiced.
        energy_db: Level (T',) of windows of 20 ms.
        quality: Jitter, shimmer, HNR.
    """

    f0: np.ndarray
    energy_db: np.ndarray
    quality: VoiceQuality

    @classmethod
    def of(cls, wav: np.ndarray, fs: int, extract: Extractor) -> "Prosody":
        """Analyse samples (N,), with F0 by `extract`."""
        f0 = extract(wav, fs)
        times = frame_times(len(wav), fs)[: len(f0)]
        return cls(f0, energy_db(wav, fs), voice_quality(wav, fs, times, f0))

    def statistics(self) -> dict[str, float]:
        """By the names of `STATISTICS`; NaN without voice.

        Of F0 over voiced frames and of energy over all windows: mean, standard deviation, skewness,
        excess kurtosis. Jitter and shimmer in percent.
        """
        values = {"pitch_hz": self.f0[self.f0 > 0], "energy_db": self.energy_db}
        found = {
            f"{name}_{moment}": value
            for name, samples in values.items()
            for moment, value in zip(MOMENTS, moments(samples), strict=True)
        }
        return found | {
            "jitter_percent": 100 * self.quality.jitter,
            "shimmer_percent": 100 * self.quality.shimmer,
            "hnr_db": self.quality.hnr_db,
        }


def moments(samples: np.ndarray) -> tuple[float, float, float, float]:
    """Mean, standard deviation, skewness, excess kurtosis (N,); NaN for fewer than two samples."""
    if len(samples) < 2:
        return (float("nan"),) * 4
    mean, std = float(np.mean(samples)), float(np.std(samples))
    z = (samples - mean) / std if std > 0 else np.zeros(len(samples))
    return mean, std, float(np.mean(z**3)), float(np.mean(z**4)) - 3 if std > 0 else 0.0


def energy_db(wav: np.ndarray, fs: int) -> np.ndarray:
    """Level (T,) of windows of 20 ms, in dB of full scale."""
    n = round(_ENERGY_WINDOW_SEC * fs)
    frames = wav[: len(wav) // n * n].reshape(-1, n)
    return 10 * np.log10(np.mean(frames**2, axis=1) + _FLOOR)
