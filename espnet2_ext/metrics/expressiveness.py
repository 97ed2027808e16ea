"""How alive is the singing? Spread of pitch and timing, vibrato, sharpness of the spectrogram.

A regression sings the mean of all takes: its vibrato and its deviations average out, its
spectrogram is smooth. A generative model should spread as takes do. Every number here is to be read
against the recordings' own: a ratio of 1 is right, below 1 is flatter than a singer, above 1 noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from espnet2_ext.audio.pitch import midi_to_hz
from espnet2_ext.metrics.musical import SungFinals, cents
from espnet2_ext.score.lyrics.languages import nucleus_of
from espnet2_ext.score.music_score import MusicScore

VIBRATO_HZ = (3.5, 8.5)
VIBRATO_MIN_SEC = 0.4
_EDGE_SEC = 0.06  # of a note, where glides are
_LEAST_SEC = 0.1
_WRONG_NOTE_CENTS = 100.0  # another note: a matter of accuracy
_JUMP_CENTS = 150.0  # from a note's median: an extractor's octave errors, consonants


@dataclass(frozen=True)
class NotePitch:
    """One sung note.

    Args:
        note: Its index in the score.
        deviation_cents: Median of F0 against the nominal note.
        spread_cents: Standard deviation of F0 within the note, glides at its edges left out.
        vibrato_cents: Amplitude of the strongest oscillation of 3.5-8.5 Hz; NaN on a short note.
        vibrato_hz: Its frequency; NaN on a short note.
    """

    note: int
    deviation_cents: float
    spread_cents: float
    vibrato_cents: float
    vibrato_hz: float


def note_pitches(f0: np.ndarray, finals: SungFinals, fps: float) -> list[NotePitch]:
    """Pitch of the sung notes that have at least a tenth of a second of voice.

    Notes more than a semitone off are left out, and so are frames more than 150 cents from their
    note's median: a few octave errors would outweigh all that singers do.

    Args:
        f0: Hz (T,), 0 where unvoiced; of the length of `finals`.
        finals: Where the score sings a final.
        fps: Frames a second.
    """
    pitches = []
    edge = round(_EDGE_SEC * fps)
    for note in np.unique(finals.note[finals.note >= 0]):
        frames = np.flatnonzero(finals.note == note)
        inner = frames[edge : len(frames) - edge]
        inner = inner[f0[inner] > 0]
        off = cents(f0[inner], midi_to_hz(finals.midi[inner]))
        middle = float(np.median(off)) if len(off) else float("nan")
        near = np.abs(off - middle) <= _JUMP_CENTS
        inner, off = inner[near], off[near]
        if len(inner) < _LEAST_SEC * fps or abs(middle) > _WRONG_NOTE_CENTS:
            continue
        depth = rate = float("nan")
        if len(inner) >= (VIBRATO_MIN_SEC - 2 * _EDGE_SEC) * fps:
            depth, rate = vibrato(off, inner / fps)
        pitches.append(NotePitch(int(note), middle, float(np.std(off)), depth, rate))
    return pitches


def vibrato(off_cents: np.ndarray, times_sec: np.ndarray) -> tuple[float, float]:
    """Amplitude (cents) and frequency (Hz) of the sinusoid that explains most of a contour (T,).

    By least squares beside a straight line, over a grid of frequencies within `VIBRATO_HZ`; frames
    may be missing.

    Args:
        off_cents: Contour (T,).
        times_sec: Its times (T,).
    """
    t = times_sec - times_sec.mean()
    line = np.stack([np.ones_like(t), t], 1)
    plain, *_ = np.linalg.lstsq(line, off_cents, rcond=None)
    left = np.sum((off_cents - line @ plain) ** 2)
    best = (0.0, 0.0, float("nan"))
    for hz in np.arange(VIBRATO_HZ[0], VIBRATO_HZ[1] + 1e-9, 0.1):
        wave = np.stack([np.cos(2 * np.pi * hz * t), np.sin(2 * np.pi * hz * t)], 1)
        basis = np.concatenate([line, wave], 1)
        weights, *_ = np.linalg.lstsq(basis, off_cents, rcond=None)
        gain = left - np.sum((off_cents - basis @ weights) ** 2)
        if gain > best[0]:
            best = (float(gain), float(np.hypot(*weights[2:])), float(hz))
    return best[1], best[2]


def onset_deviations(score: MusicScore) -> dict[int, float]:
    """When finals of a performance begin, against the beat (s), by index of the sung note."""
    groups: dict[int, list] = {}
    for phone in score.phones:
        groups.setdefault(phone.note, []).append(phone)
    onsets = {}
    for note, phones in groups.items():
        if not score.notes[note].is_rest:
            nucleus = phones[nucleus_of([p.phone for p in phones], score.language)]
            onsets[note] = nucleus.start_sec - score.notes[note].start_sec
    return onsets


def laplacian_variance(log_mel: np.ndarray) -> float:
    """Variance of the discrete Laplacian of a log-mel (T, n_mels): its sharpness."""
    x = log_mel
    laplacian = x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:] - 4 * x[1:-1, 1:-1]
    return float(np.var(laplacian))


def global_variance(log_mel: np.ndarray) -> np.ndarray:
    """Variance over time of every band of a log-mel (T, n_mels): (n_mels,)."""
    return np.var(log_mel, axis=0)


def within_variance(groups: Sequence[Sequence[float]]) -> tuple[float, int]:
    """Sum of squares around each group's own mean, and its degrees of freedom.

    Args:
        groups: Values of the takes of each score; a group of one says nothing.
    """
    squares, freedom = 0.0, 0
    for values in groups:
        if len(values) > 1:
            squares += float(np.sum((np.asarray(values) - np.mean(values)) ** 2))
            freedom += len(values) - 1
    return squares, freedom


def take_key(score: MusicScore, singer: str) -> tuple:
    """What takes of one score share: singer and notes as written."""
    return (singer, tuple((n.start_sec, n.end_sec, n.midi, n.phones) for n in score.notes))


def group_takes(scores: Mapping[str, MusicScore], singers: Mapping[str, str]) -> list[list[str]]:
    """Utterances that sing the same score, two or more together."""
    groups: dict[tuple, list[str]] = {}
    for utt in sorted(scores):
        groups.setdefault(take_key(scores[utt], singers[utt]), []).append(utt)
    return [utts for utts in groups.values() if len(utts) > 1]
