"""Chords under a melody: of the key, a chord a bar, chosen by what is sung over it.

The best sequence is found by dynamic programming: a chord gains by each note of its bar that it
holds, for as long as the note lasts, and by usual successions of chords.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from espnet2_ext.corpora.mini.composer import SCALES

_MAJOR_DEGREES = (0, 1, 2, 3, 4, 5)  # the chord on the seventh is diminished, and left out
_MINOR_DEGREES = (0, 2, 3, 4, 5, 6)
_FOREIGN = -0.5  # what a note gains that the chord does not hold
_FIRST, _LAST = 1.0, 4.0  # gain of the tonic's chord in the first and the last bar
_SAME = -0.4
_FIFTHS_DOWN = 0.5  # gain of a root that falls a fifth, in quarters of a sung note
_THIRDS_DOWN = 0.2


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord: its root and notes as pitch classes (0 is C), the root first."""

    root: int
    notes: tuple[int, ...]

    def near(self, midi: int) -> tuple[int, ...]:
        """Its notes as MIDI numbers, each as near to `midi` as it gets, low to high."""
        return tuple(sorted(midi + (note - midi + 6) % 12 - 6 for note in self.notes))

    def root_above(self, midi: int) -> int:
        """Its root as the lowest MIDI number from `midi` on."""
        return midi + (self.root - midi) % 12


def is_minor(scale: str) -> bool:
    """Whether a scale of `composer.SCALES` is of a minor key."""
    return scale.startswith("minor")


def chords_of(tonic: int, scale: str, sevenths: bool = False) -> tuple[Chord, ...]:
    """The chords of a key, its tonic's first; pentatonic scales have those of their key."""
    minor = is_minor(scale)
    steps = SCALES["minor" if minor else "major"]
    chords = []
    for degree in _MINOR_DEGREES if minor else _MAJOR_DEGREES:
        size = 4 if sevenths else 3
        notes = tuple((tonic + steps[(degree + 2 * k) % 7]) % 12 for k in range(size))
        chords.append(Chord(notes[0], notes))
    return tuple(chords)


def harmonise(
    bars: Sequence[Sequence[tuple[int, float]]], tonic: int, scale: str, sevenths: bool = False
) -> tuple[Chord, ...]:
    """Choose a chord for each bar; the last is the tonic's, if what is sung allows.

    Args:
        bars: Of each bar the sung notes: MIDI number, and length in quarters.
        tonic: Pitch class, or a MIDI number of it.
        scale: Of `composer.SCALES`.
        sevenths: Whether chords have four notes.
    """
    chords = chords_of(tonic, scale, sevenths)
    fits = np.array([[_fit(chord, bar) for chord in chords] for bar in bars])
    fits[0, 0] += _FIRST
    fits[-1, 0] += _LAST
    moves = np.array([[_move(before, after) for after in chords] for before in chords])
    best = fits[0]
    came_from = []
    for fit in fits[1:]:
        paths = best[:, None] + moves
        came_from.append(paths.argmax(axis=0))
        best = paths.max(axis=0) + fit
    path = [int(best.argmax())]
    for sources in reversed(came_from):
        path.append(int(sources[path[-1]]))
    return tuple(chords[index] for index in reversed(path))


def _fit(chord: Chord, bar: Sequence[tuple[int, float]]) -> float:
    return sum(length * (1 if midi % 12 in chord.notes else _FOREIGN) for midi, length in bar)


def _move(before: Chord, after: Chord) -> float:
    down = (before.root - after.root) % 12
    if down == 0:
        return _SAME
    return _FIFTHS_DOWN if down == 7 else _THIRDS_DOWN if down in (3, 4) else 0.0
