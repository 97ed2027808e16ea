"""The chords and rests of MuseScore's format as notes of MusicXML: lengths, pitches, lyrics."""

import re
from fractions import Fraction
from xml.etree.ElementTree import Element

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.project_fields import integer
from espnet2_ext.score.formats.xml_measures import Measure, Verses, XmlNote

_QUARTERS = {
    **{"long": 16, "breve": 8, "whole": 4, "half": 2, "quarter": 1, "eighth": Fraction(1, 2)},
    **{f"{n}{'nd' if n == 32 else 'th'}": Fraction(4, n) for n in (16, 32, 64, 128, 256)},
}
_FRACTION = re.compile(r"(-?[0-9]{1,6})/([1-9][0-9]{0,5})")
_GRACES = ("acciaccatura", "appoggiatura", "grace4", "grace16", "grace32")
_GRACES_AFTER = ("grace8after", "grace16after", "grace32after")


def fraction(text: str | None, place: str, field: str) -> Fraction:
    """Quarters of a length such as 3/4 of a whole note."""
    match = _FRACTION.fullmatch((text or "").strip())
    if match is None:
        raise UserError(place, repr(text), "a fraction such as 3/4", field)
    return 4 * Fraction(int(match[1]), int(match[2]))


def is_on(element: Element, tag: str, otherwise: str = "0") -> bool:
    return (element.findtext(tag) or otherwise).strip() != "0"


def grace_of(chord: Element) -> str:
    """Whose time a grace note takes, of the `next` note or the `previous`; empty for others."""
    if any(chord.find(tag) is not None for tag in _GRACES_AFTER):
        return "previous"
    return "next" if any(chord.find(tag) is not None for tag in _GRACES) else ""


def _is_small(chord: Element, note: Element) -> bool:
    return is_on(chord, "small") or is_on(note, "small")


def _is_cue(chord: Element, note: Element) -> bool:
    """Whether a note is a cue, small and not to be heard, which MusicXML marks as such."""
    return _is_small(chord, note) and not is_on(note, "play", "1")


def length_of(element: Element, place: str) -> Fraction:
    """Quarters of a chord or rest as written, without its tuplets."""
    name = (element.findtext("durationType") or "").strip()
    duration = element.findtext("duration")  # a tremolo of two notes has one too, half as long
    if name == "measure" or (duration is not None and name in _QUARTERS):
        return fraction(duration, place, "duration")
    if name not in _QUARTERS:
        raise UserError(place, repr(name), "a length such as quarter", "durationType")
    dots = integer(element.findtext("dots") or 0, place, "dots", 0, 4)
    return Fraction(_QUARTERS[name]) * (2 - Fraction(1, 2**dots))


def notes_of(
    chord: Element, start: Fraction, length: Fraction, voice: str, measure: Measure,
    grace: str,
) -> list[XmlNote]:  # fmt: skip
    """The notes of a chord, or a rest; none where they keep the time of what is not there."""
    length = Fraction(0) if grace else length
    common = {"start": start, "length": length, "voice": voice, "grace": grace}
    verses = _verses(chord, measure.place)
    silent = {"midi": 0, "chord": False, "tie_start": False, "tie_stop": False, "lyrics": {}}
    if chord.tag != "Chord":
        if verses.lyrics:
            measure.unsung.append((voice, "rests", set(verses.lyrics)))
        hidden = not is_on(chord, "visible", "1")
        return [] if hidden else [XmlNote(**common, **silent, place=measure.place)]
    written = [note for note in chord.findall("Note") if not _is_cue(chord, note)]
    if not written and verses.lyrics:
        measure.unsung.append((voice, "cue notes", set(verses.lyrics)))
    count = sum(note.midi > 0 for note in measure.notes)
    notes = []
    for index, note in enumerate(written):
        place = f"{measure.place}, note {count + index + 1}"
        ties = [s for s in note.findall("Spanner") if s.get("type") == "Tie"]
        sung = Verses() if index else verses
        notes.append(
            XmlNote(
                **common,
                midi=integer(note.findtext("pitch"), place, "pitch", 1, 127),
                chord=index > 0,
                tie_start=any(tie.find("next") is not None for tie in ties),
                tie_stop=any(tie.find("prev") is not None for tie in ties),
                lyrics=sung.lyrics,
                begins=frozenset(sung.begins),
                goes_on=frozenset(sung.goes_on),
                small=not grace and _is_small(chord, note),
                place=place,
            )
        )
    return notes


def _verses(chord: Element, place: str) -> Verses:
    """Lyric of each verse, and whether the word goes on on the next note."""
    verses = Verses()
    for lyric in chord.findall("Lyrics"):
        element = lyric.find("text")
        text = "".join(element.itertext()) if element is not None else ""
        verse = integer(lyric.findtext("no") or 0, place, "no", 0, 99) + 1
        syllabic = (lyric.findtext("syllabic") or "single").strip()
        verses.add(verse, text, syllabic in ("begin", "single"), syllabic in ("begin", "middle"))
    return verses
