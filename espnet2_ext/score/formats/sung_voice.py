"""The sung voice of a score's part, MusicXML's or MuseScore's: which it is, and its melody."""

import logging
from fractions import Fraction
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.xml_measures import Measure, complete_endings
from espnet2_ext.score.formats.xml_melody import DEFAULT_BPM, Melody, sing
from espnet2_ext.score.formats.xml_relations import apply_relations
from espnet2_ext.score.formats.xml_voices import fill_from_other_voices, leave_out_small


def sing_voice(
    measures: list[Measure],
    others: list[list[Measure]],
    place: str,
    voice: str | None,
    verse: int | None,
    graces: bool = True,
) -> tuple[Melody, int]:
    """The melody of one voice of a part, and the verse that its lyrics begin with.

    Args:
        measures: Of the part; changed in place.
        others: Measures of the other parts or staves: their marks hold for all.
        place: File and part, for errors.
        voice: Its name; by default the first with lyrics.
        verse: Number of the lyrics line; by default the first, and the n-th in the n-th pass.
        graces: Whether grace notes are sung, or left out.

    Raises:
        UserError: no such voice or verse, or no lyrics.
    """
    leave_out_small(measures)
    chosen = _choose_voice(measures, voice, place)
    if voice is None:
        fill_from_other_voices(measures, chosen)
    in_voice = [note for measure in measures for note in measure.notes if note.voice == chosen]
    verses = sorted({number for note in in_voice for number in note.lyrics})
    if verse is not None and verse not in verses:
        listed = ", ".join(map(str, verses)) or "lyrics"
        raise UserError(f"{place}: voice {chosen}", f"no verse {verse}", listed, "verse")
    if not verses:
        raise UserError(f"{place}: voice {chosen}", "no lyrics", "lyrics under the notes")
    _align(measures, others)
    _share_marks(measures, others)
    complete_endings(measures)
    apply_relations(measures, DEFAULT_BPM)
    return sing(measures, chosen, verse, graces), verse or verses[0]


def say_which_part(path: Path, names: list[str]) -> None:
    """A warning that only the first of several parts or staves with lyrics is sung."""
    if len(names) > 1:
        found = f"1 of {len(names)} parts with lyrics is sung: {names[0]}"
        logging.warning("%s: %s (also %s)", path, found, ", ".join(names[1:6]))


def _choose_voice(measures: list[Measure], voice: str | None, place: str) -> str:
    voices: dict[str, bool] = {}
    for measure in measures:
        for note in measure.notes:
            sings = bool(note.lyrics) and not note.small
            voices[note.voice] = voices.get(note.voice, False) or sings
    if voice is not None:
        if voice not in voices:
            raise UserError(place, f"no voice {voice!r}", ", ".join(sorted(voices)), "voice")
        return voice
    if not voices:
        raise UserError(place, "no notes", "a part with notes")
    small = (note.voice for measure in measures for note in measure.notes if note.lyrics)
    first = next((name for name, sings in voices.items() if sings), None)
    return first or next(small, next(iter(voices)))


def _align(measures: list[Measure], others: list[list[Measure]]) -> None:
    """Fill a measure up to the length that it has in the other parts, with a warning.

    Bars stand at the same time in all parts. What another part has beyond its own time signature
    does not count; a measure with nothing in it, in any part, is as long as its time signature.
    """
    short, long = [], []
    for index, measure in enumerate(measures):
        beside = [other[index] for other in others if index < len(other)]
        lengths = [min(m.length, m.nominal or m.length) for m in beside]
        length = max(lengths, default=Fraction(0)) or measure.length or measure.nominal
        if measure.length < length:
            measure.length = length
            short.append(measure.place)
        elif beside and 0 < measure.nominal < measure.length > max(m.length for m in beside):
            long.append(measure.place)
    if short:
        found = f"{len(short)} measures hold less than in other parts, or nothing"
        logging.warning("%s: %s: a rest fills them up", short[0], found)
    if long:
        found = f"{len(long)} measures hold more than in other parts and than their time signature"
        logging.warning("%s: %s", long[0], found)


def _share_marks(measures: list[Measure], others: list[list[Measure]]) -> None:
    """Give a part the tempo marks, endings and jumps of the others: a score has them in one."""
    for other in others:
        for mine, theirs in zip(measures, other, strict=False):
            mine.bpms = sorted({**dict(theirs.bpms), **dict(mine.bpms)}.items())
            mine.relations = theirs.relations + mine.relations
            mine.signs = {**theirs.signs, **mine.signs}
            mine.passes = mine.passes or theirs.passes
            mine.ending_stops = mine.ending_stops or theirs.ending_stops
            mine.forward = mine.forward or theirs.forward
            mine.backward = mine.backward or theirs.backward
            mine.after_jump = mine.after_jump or theirs.after_jump
