"""Genres: the metre, tempi, chords, instruments and rhythms of each.

A pattern is a bar, a sign a sixteenth: ``x`` is played strongly, ``o`` softly, ``.`` is not played;
a note lasts to the next one. To add a genre, add an entry here and its names in `wording`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

CHORDAL = ("piano", "guitar", "electric guitar", "strings", "synthesizer")
"""Instruments that play chords; beside them there are bass and drums."""


@dataclass(frozen=True, slots=True)
class Genre:
    """A genre.

    Args:
        metre: Of `composer.METRES`.
        tempi: Quarters per minute, from and to.
        chordal: Of each instrument that may play chords its rhythm: a pattern, and after a colon
            how chords are played (``block``, ``strum``: notes one soon after another, or
            ``arpeggio``).
        bass: Pattern; ``r`` plays the root, ``f`` the fifth, ``w`` walks.
        drums: Pattern of each drum.
        with_bass: Share of songs that have a bass.
        with_drums: Share of songs that have drums.
        swing: Where the second of two eighths begins, as a share of their quarter.
        sevenths: Whether chords have four notes.
    """

    metre: str
    tempi: tuple[int, int]
    chordal: Mapping[str, str]
    bass: str
    drums: Mapping[str, str]
    with_bass: float = 0.9
    with_drums: float = 0.9
    swing: float = 0.5
    sevenths: bool = False


GENRES = {
    "pop": Genre(
        "4/4", (72, 124),
        {
            "piano": "x...x...x...x...:block",
            "guitar": "x...x.o.x.o.x.o.:strum",
            "strings": "x...............:block",
        },
        bass="r.....r.r.......",
        drums={
            "kick": "x.......x.o.....", "snare": "....x.......x...", "hat": "x.o.x.o.x.o.x.o.",
        },
    ),
    "rock": Genre(
        "4/4", (96, 148),
        {
            "electric guitar": "x.x.x.x.x.x.x.x.:block",
            "piano": "x.x.x.x.x.x.x.x.:block",
            "synthesizer": "x.......x.......:block",
        },
        bass="r.r.r.r.r.r.r.r.",
        drums={
            "kick": "x.x.....x.x...x.", "snare": "....x.......x...", "hat": "x.x.x.x.x.x.x.x.",
        },
        with_bass=1.0, with_drums=1.0,
    ),
    "folk": Genre(
        "3/4", (84, 132),
        {
            "guitar": "x.o.o.o.o.o.:arpeggio",
            "piano": "x...o...o...:strum",
            "strings": "x...........:block",
        },
        bass="r.......f...",
        drums={"shaker": "o.o.x.o.x.o."},
        with_bass=0.7, with_drums=0.3,
    ),
    "jazz": Genre(
        "4/4", (80, 152),
        {
            "piano": "x.....x.....x...:block",
            "guitar": "o...x...o...x...:strum",
            "strings": "x.......x.......:block",
        },
        bass="w...w...w...w...",
        drums={"ride": "x...x.o.x...x.o.", "pedal": "....x.......x...", "kick": "o..............."},
        with_bass=1.0, swing=0.66, sevenths=True,
    ),
    "electronic": Genre(
        "4/4", (98, 136),
        {
            "synthesizer": "x.x.x.x.x.x.x.x.:arpeggio",
            "piano": "x..x..x.x..x..x.:block",
            "strings": "x...............:block",
        },
        bass="..r...r...r...r.",
        drums={
            "kick": "x...x...x...x...", "clap": "....x.......x...", "hat": "..x...x...x...x.",
        },
        with_bass=1.0, with_drums=1.0,
    ),
}  # fmt: skip
