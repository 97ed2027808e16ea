"""F0 of a take: notes joined by glides, scoops, vibrato, drift.

Overshoot and preparation are the bends after and before a leap that Saitou et al. (2005,
Development of an F0 control model based on F0 dynamic characteristics for singing-voice synthesis)
find in singing.
"""

import numpy as np

from espnet2_ext.audio.pitch import midi_to_hz
from espnet2_ext.corpora.mini.draws import Draw, smooth_noise
from espnet2_ext.corpora.mini.singers import Habits, Singer
from espnet2_ext.score.music_score import MusicScore

_VIBRATO_MIN_SEC = 0.4
_MORE_VIBRATO_CENTS = 25.0  # for every unit of freedom beyond 1
_BEND_SEC = 0.03  # from a leap to the height of its overshoot, and from that of its preparation
_MAX_BEND = 1.2  # semitones
_WHOLE_SCOOP_SEC = 0.35  # a shorter note has less of a scoop


def pitch_contour(
    score: MusicScore,
    onsets: list[float],
    singer: Singer,
    times: np.ndarray,
    draw: Draw,
) -> np.ndarray:
    """F0 (K,) Hz at `times` (s), as if voiced throughout.

    Args:
        score: Nominal notes.
        onsets: When each note's vowel, or rest, begins (s).
        singer: Whose habits the take varies.
        times: (K,) s.
        draw: What the take draws.
    """
    habits = singer.habits
    sung = [i for i, note in enumerate(score.notes) if not note.is_rest]
    rate = singer.vibrato_hz * draw.factor(0.05, -0.1, 0.1)
    depth = singer.vibrato_cents * draw.factor(0.2, -0.4, 0.25)
    tuning = draw.normal(4, -8, 8)
    midi = np.zeros(len(times))
    level = 0.0  # of the note before
    vibrato = np.zeros(len(times))
    for order, index in enumerate(sung):
        note, at = score.notes[index], onsets[index]
        cents = tuning + draw.around(habits.tuning_cents, 2)
        target = note.midi + cents / 100
        following = sung[order + 1] if order + 1 < len(sung) else None
        end = times[-1] if following is None else onsets[following]
        after_rest = index == 0 or score.notes[index - 1].is_rest
        if order == 0:
            midi[:] = target
        else:
            glide = habits.glide_sec * draw.uniform(0.8, 1.4, floor=0.3)
            step = np.clip((times - at) / glide + 0.5, 0, 1)
            step = step * step * (3 - 2 * step)
            midi += (target - level) * step
            midi += _bends(times - at, target - level, habits)
        if after_rest and draw.happens(habits.scoop_rate, 0.1):  # into a phrase from below
            scoop = draw.uniform(*habits.scoop_semitones)
            midi -= scoop * _scoop(times, at, end, habits.scoop_sec)
        elif not after_rest and draw.seldom(habits.note_scoop_rate, 0.1):
            scoop = draw.uniform(*habits.scoop_semitones) * min(1, (end - at) / _WHOLE_SCOOP_SEC)
            midi -= scoop * _scoop(times, at, end, habits.scoop_sec)
        level = target
        last = note.end_sec if following is None else min(note.end_sec, end)
        if last - at > _VIBRATO_MIN_SEC and draw.happens(0.9, -0.1):
            phase = 2 * np.pi * rate * draw.uniform(0.95, 1.05) * (times - at)
            phase += draw.more(2 * np.pi)
            begin = at + habits.vibrato_delay_sec + draw.more(0.2)
            rise = np.clip((times - begin) / habits.vibrato_rise_sec, 0, 1)
            rise *= np.clip((last - times) / 0.06, 0, 1)
            vibrato += depth * draw.uniform(0.7, 1.1) * rise * np.sin(phase)
    f = draw.freedom
    drift = smooth_noise(len(times), 0.12, draw.rng) * habits.drift_cents * f
    most = 2 * habits.drift_cents * f
    deepest = habits.max_vibrato_cents + _MORE_VIBRATO_CENTS * max(0.0, draw.extra)
    midi += (np.clip(vibrato, -deepest, deepest) + np.clip(drift, -most, most)) / 100
    return midi_to_hz(midi)


def _scoop(times: np.ndarray, at: float, end: float, scoop_sec: float) -> np.ndarray:
    """Share of a scoop's depth (K,): all of it at `at`, where the note begins, then less."""
    inside = (times >= at) & (times < end)
    return np.where(inside, np.exp(-np.maximum(times - at, 0) / scoop_sec), 0.0)


def _bends(after: np.ndarray, leap: float, habits: Habits) -> np.ndarray:
    """Overshoot and preparation (K,) in semitones, `after` seconds from a leap of so many."""
    x = np.abs(after) / _BEND_SEC
    size = np.where(after > 0, habits.overshoot, -habits.preparation) * leap
    return np.clip(size, -_MAX_BEND, _MAX_BEND) * x * np.exp(1 - x)
