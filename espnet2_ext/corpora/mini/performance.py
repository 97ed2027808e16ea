"""A take: how a singer performs a score this time.

The score does not settle it. Drawn per take: when vowels begin around the beat, how long
consonants are and how far they lead, vibrato, loudness, voice quality, small pitch deviations.
What is drawn is kept, so labels and F0 are exact.

`freedom` widens every draw around the same middle; at 1 the draws are the corpus' usual ones,
number for number.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from espnet2_ext.corpora.mini.consonants import NO_CONSONANTS, Consonants, spread
from espnet2_ext.corpora.mini.draws import Draw, smooth_noise
from espnet2_ext.corpora.mini.gestures import Gesture, Span, creak_f0, draw_gestures, fall
from espnet2_ext.corpora.mini.pitch_contour import pitch_contour
from espnet2_ext.corpora.mini.singers import Habits, Singer
from espnet2_ext.corpora.mini.stretch import FRAME_SEC
from espnet2_ext.corpora.mini.timbre import Timbre
from espnet2_ext.score.lyrics.languages import nucleus_of
from espnet2_ext.score.music_score import MusicScore, Phone

_MIN_FINAL_SEC = 0.07
_MIN_INITIAL_SEC = 0.03
_MIN_REST_SEC = 0.04
_CODA_SHARE = 0.5  # most of what is sung from the vowel on
_CODA_SEC = 0.08  # of a closing consonant whose length is not known


@dataclass(frozen=True)
class Group:
    """A sung syllable of a take: its times (s), and the index of its first note in the score.

    `coda_sec` is where the consonants that close it begin; None: nothing closes it.
    """

    syllable: str
    note: int
    start_sec: float
    onset_sec: float
    end_sec: float
    gain_db: float
    coda_sec: float | None = None


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
        gestures: Creak, breath and glottal stops; F0 creaks where they do.
        timbre: Of the singer.
    """

    score: MusicScore
    groups: tuple[Group, ...]
    breaths: tuple[tuple[float, float, float], ...]
    f0_hz: np.ndarray
    gain_db: np.ndarray
    tilt_db: float
    breathiness: float
    level_db: float
    gestures: tuple[Gesture, ...] = ()
    timbre: Timbre | None = None


def perform(
    score: MusicScore,
    singer: Singer,
    initial_sec: Mapping[str, float],
    rng: np.random.Generator,
    freedom: float = 1.0,
    consonants: Mapping[str, Consonants] = NO_CONSONANTS,
) -> Take:
    """Draw a take of `score`.

    Args:
        score: Nominal notes with their phones.
        singer: Gives the habits that the take varies.
        initial_sec: Natural length of what each syllable has before its vowel (s); 0 where it has
            nothing.
        rng: Draws everything that the score leaves open.
        freedom: Factor on the spread of what is drawn, 0 or more.
        consonants: Those of each syllable that is more than an initial and a final.
    """
    total = score.notes[-1].end_sec
    draw = Draw(rng, freedom)
    habits = singer.habits
    onsets, starts = _onsets(score, initial_sec, habits, draw)
    phones, groups, breaths = _label(score, starts, onsets, consonants, total, habits, draw)
    n_frames = int(np.floor(total / FRAME_SEC + 1e-6)) + 1
    times = np.arange(n_frames) * FRAME_SEC
    loudness = _loudness(groups, times, habits, draw)
    f0 = pitch_contour(score, onsets, singer, times, draw)
    tilt_db = singer.tilt_db + draw.normal(0.7, -1.5, 1.5)
    breathiness = singer.breathiness * draw.factor(0.15, -0.3, 0.3)
    level_db = draw.normal(1.2, -2.5, 2.5)
    spans = [Span(g.note, g.start_sec, g.onset_sec, g.end_sec) for g in groups]
    gestures = draw_gestures(score, spans, singer, draw)
    semitones, fall_db = fall(spans, singer, times, draw)
    f0 *= 2 ** (semitones / 12)
    if singer.timbre is not None:
        f0 *= 2 ** (singer.timbre.jitter_cents / 1200 * draw.rng.normal(size=n_frames))
        fall_db += singer.timbre.shimmer_db * draw.rng.normal(size=n_frames)
    creak_f0(gestures, f0, times, draw)
    return Take(
        score=MusicScore(score.notes, tuple(phones), score.tempo, score.language),
        groups=tuple(groups),
        breaths=tuple(breaths),
        f0_hz=f0,
        gain_db=loudness + fall_db,
        tilt_db=tilt_db,
        breathiness=breathiness,
        level_db=level_db,
        gestures=gestures,
        timbre=singer.timbre,
    )


def _onsets(
    score: MusicScore, initial_sec: Mapping[str, float], habits: Habits, draw: Draw
) -> tuple[list[float], list[float]]:
    """Draw per note when its final (or rest) begins, and when its first phone begins."""
    lead = min(1.0, draw.uniform(0.7, 1.0))  # share of the initial before the beat
    lag = draw.normal(0.006, -0.012, 0.012)  # this take drags or hurries
    rate = habits.initial_rate * draw.factor(0.1, -0.2, 0.2)
    onsets: list[float] = []
    starts: list[float] = []
    for index, note in enumerate(score.notes):
        deviation = lag + draw.around(habits.timing_sec, 2.5)
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
    consonants: Mapping[str, Consonants],
    total: float,
    habits: Habits,
    draw: Draw,
) -> tuple[list[Phone], list[Group], list[tuple[float, float, float]]]:
    phones: list[Phone] = []
    groups: list[Group] = []
    breaths: list[tuple[float, float, float]] = []
    ends = [*starts[1:], total]
    for index, note in enumerate(score.notes):
        start, onset, end = starts[index], onsets[index], ends[index]
        syllable = groups[-1].syllable if note.slur else note.lyric
        known = consonants.get(syllable)
        nucleus = nucleus_of(note.phones, score.language)
        if not nucleus:
            onset = start
        times = spread(start, onset, known.before if known else (1.0,) * nucleus)[:nucleus]
        times.append(onset)
        coda_sec = None
        if len(note.phones) > nucleus + 1:
            after = known.after if known else (_CODA_SEC,) * (len(note.phones) - nucleus - 1)
            length = min(sum(after) * habits.initial_rate, _CODA_SHARE * (end - onset))
            coda_sec = end - length
            times += spread(coda_sec, end, after)[:-1]
        for phone, begin, until in zip(note.phones, times, [*times[1:], end], strict=True):
            phones.append(Phone(begin, until, phone, index))
        if note.is_rest:
            if note.phones[0] == "AP":
                breaths.append((start, end, min(0.0, draw.uniform(-8, 0, floor=-20))))
        elif note.slur:
            groups.append(replace(groups.pop(), end_sec=end, coda_sec=coda_sec))
        else:
            gain = draw.around(habits.accent_db, 2.5)
            groups.append(Group(note.lyric, index, start, onset, end, gain, coda_sec))
    return phones, groups, breaths


def _loudness(groups: list[Group], times: np.ndarray, habits: Habits, draw: Draw) -> np.ndarray:
    """Gain (K,) dB: an arc over the phrase, an accent per syllable, and slow wander."""
    peak = min(1.0, draw.uniform(*habits.arc_peak)) * times[-1]
    arc = draw.uniform(*habits.arc_db)
    gain = -arc * ((times - peak) / max(peak, times[-1] - peak)) ** 2
    gain += 0.7 * draw.freedom * smooth_noise(len(times), 0.25, draw.rng)
    for group in groups:
        inside = (times >= group.start_sec) & (times < group.end_sec)
        gain[inside] += group.gain_db
    kernel = np.hanning(11)
    return np.convolve(np.pad(gain, 5, mode="edge"), kernel / kernel.sum(), "valid")
