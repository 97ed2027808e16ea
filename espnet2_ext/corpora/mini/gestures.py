"""What singers do beside their notes: creak, breath around the voice, glottal stops, falls.

These make F0 and voicing differ from the written note. A creaking voice has no pitch: its glottal
pulses are low and irregular, and its exported F0 is 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from espnet2_ext.corpora.mini.draws import Draw
from espnet2_ext.corpora.mini.singers import Singer
from espnet2_ext.corpora.mini.stretch import FRAME_SEC
from espnet2_ext.corpora.mini.timbre import NEPERS_PER_DB
from espnet2_ext.score.lyrics.languages import nucleus_of
from espnet2_ext.score.music_score import MusicScore

_LEAST_FINAL_SEC = 0.3  # of a final that creaks, falls or breathes out
_CREAK_SEC = (0.06, 0.16)
_RELEASE_SEC = (0.04, 0.12)
_ASPIRATE_SEC = (0.03, 0.07)
_STOP_SEC = (0.02, 0.035)
_STOP_CREAK_SEC = 0.02
_FALL_SEC = (0.1, 0.24)
_FALL_DB = (2.0, 6.0)
_CREAK_HZ = (38.0, 75.0)
_CREAK_PERIOD_SEC = 0.015  # about a glottal pulse: how long an irregular F0 stands
_CREAK_DB = -7.0
_WHISPER_LOW_DB, _WHISPER_HIGH_DB = -16.0, -7.0
_WHISPER_HZ = (400.0, 2000.0)
_STOP_DB = -30.0
_EDGE_SEC = 0.01
_GLIDES = ("y", "w")


class Kind(Enum):
    """What the voice does for a while."""

    CREAK = "creak"
    WHISPER = "whisper"
    STOP = "stop"


@dataclass(frozen=True)
class Gesture:
    """A gesture of a take, from `start_sec` to `end_sec`."""

    kind: Kind
    start_sec: float
    end_sec: float

    def inside(self, times: np.ndarray) -> np.ndarray:
        """Which of `times` (K,) s it covers."""
        return (times >= self.start_sec) & (times < self.end_sec)

    def share(self, times: np.ndarray) -> np.ndarray:
        """How much of it there is at `times` (K,) s: 0 to 1, with soft edges outside."""
        before = (times - self.start_sec) / _EDGE_SEC + 1
        after = (self.end_sec - times) / _EDGE_SEC + 1
        return np.clip(np.minimum(before, after), 0, 1)


@dataclass(frozen=True)
class Span:
    """Where a syllable is sung (s), by the index of its first note."""

    note: int
    start_sec: float
    onset_sec: float
    end_sec: float


def draw_gestures(
    score: MusicScore, spans: Sequence[Span], singer: Singer, draw: Draw
) -> tuple[Gesture, ...]:
    """Draw a take's gestures at the rates of the singer's habits.

    Args:
        score: Nominal notes with their phones.
        spans: Sung syllables in order.
        singer: Whose habits the take varies.
        draw: What the take draws.
    """
    habits = singer.habits
    gestures: list[Gesture] = []
    for index, span in enumerate(spans):
        first = index == 0 or spans[index - 1].end_sec < span.start_sec - FRAME_SEC
        phones = score.notes[span.note].phones
        voiced_first = nucleus_of(phones, score.language) == 0
        vowel_first = voiced_first or phones[0].lower() in _GLIDES
        if vowel_first and draw.seldom(habits.glottal_rate, 0.05):
            stop = draw.uniform(*_STOP_SEC)
            gestures.append(Gesture(Kind.STOP, span.start_sec - stop, span.start_sec))
            end = span.start_sec + _STOP_CREAK_SEC
            gestures.append(Gesture(Kind.CREAK, span.start_sec, end))
        elif first and draw.seldom(habits.aspirate_rate, 0.05):
            begin = span.start_sec if vowel_first else span.onset_sec
            end = begin + draw.uniform(*_ASPIRATE_SEC)
            gestures.append(Gesture(Kind.WHISPER, begin, end))
        if not ends_phrase(spans, index):
            continue
        end = span.end_sec
        if draw.seldom(habits.creak_rate, 0.05):
            gestures.append(Gesture(Kind.CREAK, end - draw.uniform(*_CREAK_SEC), end))
        elif draw.seldom(habits.release_rate, 0.05):
            gestures.append(Gesture(Kind.WHISPER, end - draw.uniform(*_RELEASE_SEC), end))
    return tuple(gestures)


def ends_phrase(spans: Sequence[Span], index: int) -> bool:
    """Whether a syllable is followed by a rest or by nothing, and is long enough to end with it."""
    span = spans[index]
    if span.end_sec - span.onset_sec < _LEAST_FINAL_SEC:
        return False
    return index + 1 == len(spans) or spans[index + 1].start_sec > span.end_sec + FRAME_SEC


def fall(
    spans: Sequence[Span], singer: Singer, times: np.ndarray, draw: Draw
) -> tuple[np.ndarray, np.ndarray]:
    """Falls at phrase ends: semitones (K,) below the note, and loudness (K,) dB.

    Args:
        spans: Sung syllables in order.
        singer: Whose habits the take varies.
        times: (K,) s.
        draw: What the take draws.
    """
    semitones, gain_db = np.zeros(len(times)), np.zeros(len(times))
    habits = singer.habits
    for index, span in enumerate(spans):
        if ends_phrase(spans, index) and draw.seldom(habits.fall_rate, 0.05):
            length = min(draw.uniform(*_FALL_SEC), 0.5 * (span.end_sec - span.onset_sec))
            path = np.clip((times - span.end_sec) / length + 1, 0, 1) ** 2
            path *= times < span.end_sec + length  # what follows begins on its note
            semitones -= draw.uniform(*habits.fall_semitones) * path
            gain_db -= draw.uniform(*_FALL_DB) * path
    return semitones, gain_db


def creak_f0(gestures: Sequence[Gesture], f0_hz: np.ndarray, times: np.ndarray, draw: Draw) -> None:
    """Put the irregular pulses of creaking into F0 (K,) Hz, as rate of pulses."""
    for gesture in gestures:
        if gesture.kind is Kind.CREAK:
            frames = np.flatnonzero(gesture.inside(times))
            pulse = ((times[frames] - gesture.start_sec) / _CREAK_PERIOD_SEC).astype(int)
            low, high = np.log(_CREAK_HZ)
            rates = np.exp(draw.rng.uniform(low, high, size=pulse.max(initial=0) + 1))
            f0_hz[frames] = rates[pulse]


def gesture_gain(gestures: Sequence[Gesture], times: np.ndarray, hz: np.ndarray) -> np.ndarray:
    """Natural log of the power gain (K, bins) of a take's gestures."""
    low, high = np.log(_WHISPER_HZ)
    bright = np.clip((np.log(np.maximum(hz, 1.0)) - low) / (high - low), 0, 1)
    whisper = _WHISPER_LOW_DB + (_WHISPER_HIGH_DB - _WHISPER_LOW_DB) * bright
    spectrum: dict[Kind, np.ndarray | float] = {
        Kind.CREAK: _CREAK_DB,
        Kind.WHISPER: whisper,
        Kind.STOP: _STOP_DB,
    }
    gain = np.zeros((len(times), len(hz)))
    for gesture in gestures:
        share = gesture.share(times)
        frames = np.flatnonzero(share)
        gain[frames] += NEPERS_PER_DB * share[frames, None] * spectrum[gesture.kind]
    return gain


def covered(gestures: Sequence[Gesture], times: np.ndarray, kinds: Sequence[Kind]) -> np.ndarray:
    """Which of `times` (K,) s lie in a gesture of one of `kinds`."""
    inside = np.zeros(len(times), bool)
    for gesture in gestures:
        if gesture.kind in kinds:
            inside |= gesture.inside(times)
    return inside
