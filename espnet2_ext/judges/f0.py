"""F0 extractors behind one interface, and how far each can be trusted.

An extractor judges only after `qualify` has compared it with the F0 that a generator really used:
WORLD harvest, the customary judge, glitches at consonants.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from espnet2_ext.audio.pitch import midi_to_hz
from espnet2_ext.metrics.musical import CENTS_PER_OCTAVE, TOLERANCE_CENTS, cents, fit_length
from espnet2_ext.metrics.versa_f0_mcd import pearson
from espnet2_ext.score.music_score import MusicScore

FPS = 100
F0_FLOOR_HZ, F0_CEIL_HZ = 60.0, 1100.0
REACH_HZ = 2090.0
"""Highest ceiling: SwiftF0's (2093.75 Hz, C7)."""
ABOVE_NOTE = 4.0
"""Semitones that a voice may go above the highest note: vibrato, overshoot."""
REQUIRED_CORRELATION = 0.95


class Extractor(Protocol):
    """Samples (N,) and rate -> F0 (T,) Hz, 0 where unvoiced, at `frame_times`."""

    def __call__(self, wav: np.ndarray, fs: int, ceiling_hz: float = F0_CEIL_HZ) -> np.ndarray: ...


def ceiling_of(score: MusicScore) -> float:
    """Highest F0 (Hz) to look for: `F0_CEIL_HZ`, or more where the score sings higher.

    A higher ceiling for all would let extractors take overtones of low voices for their F0.
    """
    highest = max(note.midi for note in score.notes)
    return float(min(REACH_HZ, max(F0_CEIL_HZ, midi_to_hz(highest + ABOVE_NOTE))))


@dataclass(frozen=True)
class F0Quality:
    """An extractor against true F0, on recordings whose F0 is known.

    Args:
        corr: Pearson correlation (Hz), mean over utterances, over frames voiced in both.
        cents_rmse: RMS error over those frames, pooled.
        within_50_cents: Share of those frames within 50 cents of the truth.
        octave_errors: Share of those frames more than half an octave off.
        vuv_error: Share of all frames where voicing differs.
        n_utt: Utterances.
        n_frames: Frames voiced in both.
    """

    corr: float
    cents_rmse: float
    within_50_cents: float
    octave_errors: float
    vuv_error: float
    n_utt: int
    n_frames: int

    @property
    def qualifies(self) -> bool:
        return self.corr >= REQUIRED_CORRELATION

    def asdict(self) -> dict[str, Any]:
        return asdict(self) | {"qualifies": self.qualifies}


def frame_times(n_samples: int, fs: int) -> np.ndarray:
    """Middles (s) of the frames that cover `n_samples`; the last one may reach beyond."""
    return (np.arange(int(np.ceil(n_samples * FPS / fs - 1e-9))) + 0.5) / FPS


def sample_f0(times: np.ndarray, f0: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Resample F0 (Hz, 0 where unvoiced): voicing of the nearest frame, pitch between voiced ones.

    Pitch is interpolated on a log scale and only between voiced neighbours, so no frame falls
    halfway between a note and silence.
    """
    if not len(times):
        return np.zeros(len(at))
    right = np.clip(np.searchsorted(times, at), 1, max(1, len(times) - 1))
    left = right - 1
    right = np.minimum(right, len(times) - 1)
    span = np.maximum(times[right] - times[left], 1e-9)
    weight = np.clip((at - times[left]) / span, 0, 1)
    near = np.where(weight < 0.5, left, right)
    both = (f0[left] > 0) & (f0[right] > 0)
    log_f0 = np.log(np.maximum(f0, 1e-3))
    between = np.exp(log_f0[left] * (1 - weight) + log_f0[right] * weight)
    return np.where(f0[near] > 0, np.where(both, between, f0[near]), 0.0)


def swift(wav: np.ndarray, fs: int, ceiling_hz: float = F0_CEIL_HZ) -> np.ndarray:
    """SwiftF0 (Nieradzik 2025): a 14k-parameter network, weights in its MIT-licensed wheel.

    Its frames are 16 ms apart; two passes half a frame apart halve that.
    """
    import librosa

    detector = _swift_detector()
    wav = np.asarray(wav, np.float32)
    if fs != _SWIFT_FS:
        wav = librosa.resample(wav, orig_sr=fs, target_sr=_SWIFT_FS, res_type="polyphase")
    passes = []
    for shift in (0, _SWIFT_HOP // 2):
        result = detector.detect(
            np.pad(wav[shift:], (0, _SWIFT_HOP)), _SWIFT_FS, F0_FLOOR_HZ, ceiling_hz
        )
        voiced = result.confidence >= _SWIFT_VOICED
        passes.append((result.timestamps + shift / _SWIFT_FS, result.pitch_hz * voiced))
    times = np.concatenate([p[0] for p in passes])
    f0 = np.concatenate([p[1] for p in passes])
    order = np.argsort(times, kind="stable")
    n_samples = len(wav)
    return sample_f0(times[order], f0[order], frame_times(n_samples, _SWIFT_FS))


_SWIFT_FS, _SWIFT_HOP, _SWIFT_VOICED = 16000, 256, 0.5


@lru_cache(maxsize=1)
def _swift_detector() -> Any:
    from swift_f0 import SwiftF0

    return SwiftF0(threads=1, spin=False)


def harvest(wav: np.ndarray, fs: int, ceiling_hz: float = F0_CEIL_HZ) -> np.ndarray:
    """WORLD harvest."""
    import pyworld

    f0, times = pyworld.harvest(
        np.asarray(wav, np.float64), fs, f0_floor=F0_FLOOR_HZ, f0_ceil=ceiling_hz, frame_period=5.0
    )
    return sample_f0(times, f0, frame_times(len(wav), fs))


def dio(wav: np.ndarray, fs: int, ceiling_hz: float = F0_CEIL_HZ) -> np.ndarray:
    """WORLD DIO, refined by StoneMask."""
    import pyworld

    wav = np.asarray(wav, np.float64)
    f0, times = pyworld.dio(wav, fs, f0_floor=F0_FLOOR_HZ, f0_ceil=ceiling_hz, frame_period=5.0)
    return sample_f0(times, pyworld.stonemask(wav, f0, times, fs), frame_times(len(wav), fs))


def pyin(wav: np.ndarray, fs: int, ceiling_hz: float = F0_CEIL_HZ) -> np.ndarray:
    """Probabilistic YIN (Mauch and Dixon 2014), librosa's."""
    import librosa

    hop = fs // FPS
    f0, voiced, _ = librosa.pyin(
        np.asarray(wav, np.float32), sr=fs, fmin=F0_FLOOR_HZ, fmax=ceiling_hz, hop_length=hop,
        frame_length=2048, fill_na=0.0,
    )  # fmt: skip
    f0 = np.where(voiced, f0, 0.0)
    return sample_f0(np.arange(len(f0)) * hop / fs, f0, frame_times(len(wav), fs))


EXTRACTORS: Mapping[str, Extractor] = {"swift": swift, "dio": dio, "harvest": harvest, "pyin": pyin}
"""By name."""


def compare(estimates: Iterable[tuple[np.ndarray, np.ndarray]]) -> F0Quality:
    """Measure pairs of estimated and true F0 (T,), both Hz on the same grid, 0 where unvoiced."""
    corrs, errors, wrong, frames = [], [], 0, 0
    for estimate, truth in estimates:
        estimate = fit_length(estimate, len(truth))
        both = (estimate > 0) & (truth > 0)
        corr = pearson(estimate[both], truth[both])
        corrs.append(0.0 if np.isnan(corr) else corr)
        errors.append(cents(estimate[both], truth[both]))
        wrong += int(np.sum((estimate > 0) != (truth > 0)))
        frames += len(truth)
    error = np.abs(np.concatenate(errors)) if errors else np.zeros(0)
    if not len(error):
        return F0Quality(0.0, float("nan"), 0.0, 0.0, 1.0, len(corrs), 0)
    return F0Quality(
        corr=float(np.mean(corrs)),
        cents_rmse=float(np.sqrt(np.mean(error**2))),
        within_50_cents=float(np.mean(error <= TOLERANCE_CENTS)),
        octave_errors=float(np.mean(error > CENTS_PER_OCTAVE / 2)),
        vuv_error=wrong / frames,
        n_utt=len(corrs),
        n_frames=len(error),
    )


def qualify(
    name: str, recordings: Iterable[tuple[np.ndarray, int, np.ndarray, np.ndarray]]
) -> F0Quality:
    """Measure an extractor against true F0.

    Args:
        name: A key of `EXTRACTORS`.
        recordings: Samples (N,), rate, times (s) of the true F0 (M,), true F0 (Hz, 0 unvoiced).
    """
    extract = EXTRACTORS[name]
    quality = compare(
        (extract(wav, fs), sample_f0(times, truth, frame_times(len(wav), fs)))
        for wav, fs, times, truth in recordings
    )
    logging.info("F0 extractor %s: %s", name, quality)
    return quality
