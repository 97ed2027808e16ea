"""An accompaniment: what a genre's instruments play over the chords of a clip's bars."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from espnet2_ext.corpora.mini_song.genres import CHORDAL, Genre
from espnet2_ext.corpora.mini_song.harmony import Chord
from espnet2_ext.corpora.mini_song.playing import PlayedNote
from espnet2_ext.corpora.mini_song.synthesiser import LONGEST_SEC

SIXTEENTHS = 4  # in a quarter
_SOFT = 0.6  # of a strong note
_CHORD_MIDI = {"piano": 60, "guitar": 57, "electric guitar": 50, "strings": 64, "synthesizer": 67}
_BASS_MIDI = 29
_STRUM_SEC = 0.018
_OVERLAP_SEC = 0.02
_UNEVEN = 0.06  # standard deviation of velocity from note to note


@dataclass(frozen=True)
class Clip:
    """What a band has to know of a clip.

    Args:
        genre: Whose patterns are played.
        instruments: Of `CHORDAL`, ``bass`` and ``drums``.
        chords: One for each bar.
        bar_quarters: Length of a bar.
        quarters: Length of the clip; in what follows the bars the last chord rings.
        tempo: Quarters per minute.
        velocity: How hard instruments are played, 0 to 1.
    """

    genre: Genre
    instruments: tuple[str, ...]
    chords: tuple[Chord, ...]
    bar_quarters: float
    quarters: float
    tempo: int
    velocity: float

    def sec(self, quarters: float) -> float:
        """The time (s) of a place in the clip; the second eighth of a quarter swings."""
        whole, part = divmod(quarters, 1)
        swing = self.genre.swing
        part = part / 0.5 * swing if part <= 0.5 else swing + (part - 0.5) / 0.5 * (1 - swing)
        return (whole + part) * 60 / self.tempo


def arrange(clip: Clip, rng: np.random.Generator) -> list[PlayedNote]:
    """The notes of an accompaniment, in no order."""
    notes: list[PlayedNote] = []
    for instrument in clip.instruments:
        if instrument in CHORDAL:
            notes += _chordal(clip, instrument)
        elif instrument == "bass":
            notes += _bass(clip)
        else:
            notes += _drums(clip)
    uneven = np.exp(_UNEVEN * rng.normal(size=len(notes)))
    return [
        PlayedNote(n.instrument, n.start_sec, n.seconds, n.midi, min(1.0, n.velocity * factor))
        for n, factor in zip(notes, uneven.tolist(), strict=True)
    ]


def _strokes(clip: Clip, pattern: str) -> Iterator[tuple[int, int, str, float, float]]:
    """Each stroke of a bar's pattern: bar, number in the bar, sign, start and end (s).

    A stroke ends where the next one begins; the last of all rings to the end of the clip.
    """
    struck = [k for k, sign in enumerate(pattern) if sign != "."]
    for bar in range(len(clip.chords)):
        begin = bar * clip.bar_quarters
        for number, k in enumerate(struck):
            following = struck[number + 1] if number + 1 < len(struck) else len(pattern)
            start, end = (clip.sec(begin + at / SIXTEENTHS) for at in (k, following))
            yield bar, number, pattern[k], start, end


def _last(clip: Clip) -> tuple[float, float]:
    """When the last chord, after all bars, begins and ends (s)."""
    return clip.sec(len(clip.chords) * clip.bar_quarters), clip.sec(clip.quarters)


def _velocity(clip: Clip, sign: str) -> float:
    return clip.velocity * (_SOFT if sign == "o" else 1.0)


def _chordal(clip: Clip, instrument: str) -> Iterator[PlayedNote]:
    pattern, _, way = clip.genre.chordal[instrument].partition(":")
    centre = _CHORD_MIDI[instrument]
    for bar, number, sign, start, end in _strokes(clip, pattern):
        voiced = clip.chords[bar].near(centre)
        if way == "arpeggio":
            up_and_down = (*voiced, *voiced[-2:0:-1])
            voiced = (up_and_down[number % len(up_and_down)],)
        yield from _chord(instrument, voiced, start, end, _velocity(clip, sign), way)
    start, end = _last(clip)
    if end > start:
        voiced = clip.chords[-1].near(centre)
        yield from _chord(instrument, voiced, start, end, clip.velocity, "strum")


def _chord(
    instrument: str, midis: Sequence[int], start: float, end: float, velocity: float, way: str
) -> Iterator[PlayedNote]:
    step = _STRUM_SEC if way == "strum" else 0.0
    for index, midi in enumerate(midis):
        at = start + index * step
        seconds = min(end - at + _OVERLAP_SEC, LONGEST_SEC)
        if seconds > 0:
            yield PlayedNote(instrument, at, seconds, midi, velocity)


def _bass(clip: Clip) -> Iterator[PlayedNote]:
    for bar, number, sign, start, end in _strokes(clip, clip.genre.bass):
        chord = clip.chords[bar]
        root = chord.root_above(_BASS_MIDI)
        midi = root
        if sign == "f":
            midi = root + (chord.notes[2] - root) % 12
        elif sign == "w":  # up the chord, and to the next root by a semitone
            midi = root + (chord.notes[number % len(chord.notes)] - root) % 12
            if number == 3 and bar + 1 < len(clip.chords):
                midi = clip.chords[bar + 1].root_above(_BASS_MIDI) - 1
        yield PlayedNote("bass", start, min(end - start, LONGEST_SEC), midi, clip.velocity)
    start, end = _last(clip)
    if end > start:
        root = clip.chords[-1].root_above(_BASS_MIDI)
        yield PlayedNote("bass", start, min(end - start, LONGEST_SEC), root, clip.velocity)


def _drums(clip: Clip) -> Iterator[PlayedNote]:
    for drum, pattern in clip.genre.drums.items():
        for _, _, sign, start, end in _strokes(clip, pattern):
            yield PlayedNote(drum, start, end - start, 0, _velocity(clip, sign))
    start, end = _last(clip)
    if end > start:
        yield PlayedNote(next(iter(clip.genre.drums)), start, end - start, 0, clip.velocity)
