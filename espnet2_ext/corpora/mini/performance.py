"""A take: how a singer performs a score this time.

The score does not settle it. Drawn per take: when vowels begin around the beat, how long
consonants are and how far they lead, vibrato, loudness, voice quality, small pitch deviations.
What is drawn is kept, so labels and F0 are exact.

`freedom` widens every draw around the same middle; at 1 the draws are the corpus' usual ones,
number for number.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from espnet2_ext.audio.pitch import midi_to_hz
from espnet2_ext.corpora.mini.singers import Singer
from espnet2_ext.corpora.mini.stretch import FRAME_SEC
from espnet2_ext.score.music_score import MusicScore, Phone

_GLIDE_SEC = 0.04
_VIBRATO_MIN_SEC = 0.4
_INITIAL_RATE = 0.85  # sung initials against espeak's slow speech
_MIN_FINAL_SEC = 0.07
_MIN_INITIAL_SEC = 0.03
_MIN_REST_SEC = 0.04
_MAX_VIBRATO_CENTS = 45.0
_MORE_VIBRATO_CENTS = 25.0  # for every unit of freedom beyond 1


@dataclass(frozen=True)
class Group:
    """A sung syllable of a take: its times (s), and the index of its first note in the score."""

    syllable: str
    note: int
    start_sec: float
    onset_sec: float
    end_sec: float
    gain_db: float


@dataclass(frozen=True)
class Take:
    """A performance: labels, pitch and colour.

    Args:
        score: The score with the performed phones.
        groups: Sung syllables in order.
        breaths: (start_sec, end_sec, gain_db) of every AP.
        f0_hz: Pitch at k * FRAME_SEC (K,), as if voiced throughout.
        gain_db: Loudness contour (K,).
        tilt_db: Spectral tilt, dB per octave above 1 kHz.
        breathiness: Exponent on the voice's aperiodicity.
        level_db: Loudness of the take.
    """

    score: MusicScore
    groups: tuple[Group, ...]
    breaths: tuple[tuple[float, float, float], ...]
    f0_hz: np.ndarray
    gain_db: np.ndarray
    tilt_db: float
    breathiness: float
    level_db: float


def perform(
    score: MusicScore,
    singer: Singer,
    initial_sec: Mapping[str, float],
    rng: np.random.Generator,
    freedom: float = 1.0,
) -> Take:
    """Draw a take of `score`.

    Args:
        score: Nominal notes with their phones.
        singer: Gives the habits that the take varies.
        initial_sec: Natural length of each syllable's initial (s); 0 where it has none.
        rng: Draws everything that the score leaves open.
        freedom: Factor on the spread of what is drawn, 0 or more.
    """
    total = score.notes[-1].end_sec
    draw = _Draw(rng, freedom)
    onsets, starts = _onsets(score, initial_sec, draw)
    phones, groups, breaths = _label(score, starts, onsets, total, draw)
    n_frames = int(np.floor(total / FRAME_SEC + 1e-6)) + 1
    times = np.arange(n_frames) * FRAME_SEC
    loudness = _loudness(groups, times, draw)
    performed = MusicScore(score.notes, tuple(phones), score.tempo, score.language)
    return Take(
        score=performed,
        groups=tuple(groups),
        breaths=tuple(breaths),
        f0_hz=_pitch(score, onsets, singer, times, draw),
        gain_db=loudness,
        tilt_db=singer.tilt_db + draw.normal(0.7, -1.5, 1.5),
        breathiness=singer.breathiness * draw.factor(0.15, -0.3, 0.3),
        level_db=draw.normal(1.2, -2.5, 2.5),
    )


@dataclass(frozen=True)
class _Draw:
    """Draws around a middle that freedom does not move, with a spread that it scales."""

    rng: np.random.Generator
    freedom: float

    @property
    def extra(self) -> float:
        """Freedom beyond the usual."""
        return self.freedom - 1

    def normal(self, std: float, low: float, high: float) -> float:
        """Around 0, within bounds that are scaled too."""
        f = self.freedom
        return float(np.clip(self.rng.normal(0, std * f), low * f, high * f))

    def factor(self, std: float, low: float, high: float) -> float:
        """Around 1: the exponential of a normal draw."""
        return float(np.exp(self.normal(std, low, high)))

    def uniform(self, low: float, high: float, floor: float = 0.0) -> float:
        """Between bounds that move apart; never below `floor`."""
        wider = self.extra * (high - low) / 2
        return max(floor, float(self.rng.uniform(low - wider, high + wider)))

    def more(self, spread: float) -> float:
        """0 at the usual freedom (nothing is drawn then), beyond it between 0 and `spread`."""
        return float(self.rng.uniform(0, spread)) * min(1.0, self.extra) if self.extra > 0 else 0.0

    def happens(self, chance: float, step: float) -> bool:
        """With a chance that every unit of freedom beyond the usual moves by `step`."""
        return self.rng.random() < min(1.0, max(0.0, chance + step * self.extra))


def _onsets(
    score: MusicScore, initial_sec: Mapping[str, float], draw: _Draw
) -> tuple[list[float], list[float]]:
    """Draw per note when its final (or rest) begins, and when its first phone begins."""
    lead = min(1.0, draw.uniform(0.7, 1.0))  # share of the initial before the beat
    lag = draw.normal(0.006, -0.012, 0.012)  # this take drags or hurries
    rate = _INITIAL_RATE * draw.factor(0.1, -0.2, 0.2)
    onsets: list[float] = []
    starts: list[float] = []
    for index, note in enumerate(score.notes):
        deviation = lag + draw.normal(0.012, -0.03, 0.03)
        wobble = draw.factor(0.12, -0.25, 0.25)
        if index == 0:
            natural = initial_sec.get(note.lyric, 0.0) * rate * wobble if not note.is_rest else 0
            limit = 0.45 * (note.end_sec - note.start_sec)
            starts.append(0.0)
            onsets.append(min(natural, limit))
            continue
        previous = score.notes[index - 1]
        if note.is_rest:  # the voice stops a little before or after the written rest
            at = note.start_sec + deviation - 0.01
            at = max(at, onsets[-1] + _MIN_FINAL_SEC)
            starts.append(at)
            onsets.append(at)
            continue
        natural = 0.0 if note.slur else initial_sec[note.lyric] * rate * wobble
        onset = note.start_sec + deviation + (1 - lead) * natural
        # Free timing may come too late for this note, or too early for the one before.
        shortest = _MIN_FINAL_SEC + (_MIN_INITIAL_SEC if natural else 0.0)
        onset = max(min(onset, note.end_sec - _MIN_FINAL_SEC), onsets[-1] + shortest)
        room = _MIN_REST_SEC if previous.is_rest else _MIN_FINAL_SEC
        room = max(room, 0.45 * (onset - onsets[-1]))
        length = min(natural, max(onset - onsets[-1] - room, _MIN_INITIAL_SEC if natural else 0))
        onsets.append(onset)
        starts.append(onset - length)
    return onsets, starts


def _label(
    score: MusicScore,
    starts: list[float],
    onsets: list[float],
    total: float,
    draw: _Draw,
) -> tuple[list[Phone], list[Group], list[tuple[float, float, float]]]:
    phones: list[Phone] = []
    groups: list[Group] = []
    breaths: list[tuple[float, float, float]] = []
    ends = [*starts[1:], total]
    for index, note in enumerate(score.notes):
        start, onset, end = starts[index], onsets[index], ends[index]
        if len(note.phones) == 2:
            phones.append(Phone(start, onset, note.phones[0], index))
        else:
            onset = start
        phones.append(Phone(onset, end, note.phones[-1], index))
        if note.is_rest:
            if note.phones[0] == "AP":
                breaths.append((start, end, min(0.0, draw.uniform(-8, 0, floor=-20))))
        elif note.slur:
            last = groups.pop()
            groups.append(
                Group(last.syllable, last.note, last.start_sec, last.onset_sec, end, last.gain_db)
            )
        else:
            gain = draw.normal(0.8, -2, 2)
            groups.append(Group(note.lyric, index, start, onset, end, gain))
    return phones, groups, breaths


def _pitch(
    score: MusicScore,
    onsets: list[float],
    singer: Singer,
    times: np.ndarray,
    draw: _Draw,
) -> np.ndarray:
    """F0 (K,) Hz: notes joined by glides, with vibrato on long notes and slight drift."""
    sung = [i for i, note in enumerate(score.notes) if not note.is_rest]
    rate = singer.vibrato_hz * draw.factor(0.05, -0.1, 0.1)
    depth = singer.vibrato_cents * draw.factor(0.2, -0.4, 0.25)
    tuning = draw.normal(4, -8, 8)
    midi = np.zeros(len(times))
    level = 0.0  # of the note before
    vibrato = np.zeros(len(times))
    for order, index in enumerate(sung):
        note, at = score.notes[index], onsets[index]
        cents = tuning + draw.normal(6, -12, 12)
        target = note.midi + cents / 100
        following = sung[order + 1] if order + 1 < len(sung) else None
        end = times[-1] if following is None else onsets[following]
        after_rest = index == 0 or score.notes[index - 1].is_rest
        if order == 0:
            midi[:] = target
        else:
            glide = _GLIDE_SEC * draw.uniform(0.8, 1.4, floor=0.3)
            step = np.clip((times - at) / glide + 0.5, 0, 1)
            step = step * step * (3 - 2 * step)
            midi += (target - level) * step
        if after_rest and draw.happens(0.35, 0.1):  # scoop into a phrase from below
            scoop = draw.uniform(0.4, 1.2)
            midi -= scoop * np.where(times >= at, np.exp(-(times - at) / 0.03), 0.0) * (times < end)
        level = target
        last = note.end_sec if following is None else min(note.end_sec, end)
        if last - at > _VIBRATO_MIN_SEC and draw.happens(0.9, -0.1):
            phase = 2 * np.pi * rate * draw.uniform(0.95, 1.05) * (times - at)
            phase += draw.more(2 * np.pi)
            rise = np.clip((times - at - 0.18 - draw.more(0.2)) / 0.2, 0, 1)
            rise *= np.clip((last - times) / 0.06, 0, 1)
            vibrato += depth * draw.uniform(0.7, 1.1) * rise * np.sin(phase)
    f = draw.freedom
    drift = _smooth_noise(len(times), 0.12, draw.rng) * 4 * f
    deepest = _MAX_VIBRATO_CENTS + _MORE_VIBRATO_CENTS * max(0.0, draw.extra)
    midi += (np.clip(vibrato, -deepest, deepest) + np.clip(drift, -8 * f, 8 * f)) / 100
    return midi_to_hz(midi)


def _loudness(groups: list[Group], times: np.ndarray, draw: _Draw) -> np.ndarray:
    """Gain (K,) dB: an arc over the phrase, an accent per syllable, and slow wander."""
    peak = min(1.0, draw.uniform(0.3, 0.75)) * times[-1]
    arc = draw.uniform(1.0, 4.0)
    gain = -arc * ((times - peak) / max(peak, times[-1] - peak)) ** 2
    gain += 0.7 * draw.freedom * _smooth_noise(len(times), 0.25, draw.rng)
    for group in groups:
        inside = (times >= group.start_sec) & (times < group.end_sec)
        gain[inside] += group.gain_db
    kernel = np.hanning(11)
    return np.convolve(np.pad(gain, 5, mode="edge"), kernel / kernel.sum(), "valid")


def _smooth_noise(n: int, scale_sec: float, rng: np.random.Generator) -> np.ndarray:
    """Noise (n,) of unit variance with a correlation time of about `scale_sec`."""
    width = max(3, round(scale_sec / FRAME_SEC))
    kernel = np.hanning(2 * width + 1)
    noise = np.convolve(rng.normal(size=n + 2 * width), kernel, "valid")
    return noise / np.sqrt((kernel**2).sum())
