"""The measures of a staff of MuseScore's format, versions 3 and 4, as those of a MusicXML part.

Lengths are names of notes, with dots and the tuplets around them; pitches are as they sound.
"""

import re
from fractions import Fraction
from xml.etree.ElementTree import Element

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.project_fields import integer, number
from espnet2_ext.score.formats.xml_measures import MAX_PASSES, Measure, XmlNote

_QUARTERS = {
    **{"long": 16, "breve": 8, "whole": 4, "half": 2, "quarter": 1, "eighth": Fraction(1, 2)},
    **{f"{n}{'nd' if n == 32 else 'th'}": Fraction(4, n) for n in (16, 32, 64, 128, 256)},
}
_FRACTION = re.compile(r"(-?[0-9]{1,6})/([1-9][0-9]{0,5})")
_SIGNS = {"fine": "fine", "coda": "tocoda", "codab": "coda", "varcoda": "coda"}
_SIGNS |= {"segno": "segno", "varsegno": "segno"}
_GRACES = ("acciaccatura", "appoggiatura", "grace4", "grace16", "grace32")
_GRACES_AFTER = ("grace8after", "grace16after", "grace32after")
_VERSE_LABEL = re.compile(r"^[0-9]{1,2}\s*[.)．、]\s*(?=\S)")
_MAX_BEATS_PER_SEC = 100


def _fraction(text: str | None, place: str, field: str) -> Fraction:
    """Quarters of a length such as 3/4 of a whole note."""
    match = _FRACTION.fullmatch((text or "").strip())
    if match is None:
        raise UserError(place, repr(text), "a fraction such as 3/4", field)
    return 4 * Fraction(int(match[1]), int(match[2]))


class _StaffReader:
    def __init__(self, place: str) -> None:
        self.place = place
        self.measures: list[Measure] = []
        self.voltas: dict[int, frozenset[int]] = {}  # of each measure to come

    def read(self, element: Element) -> None:
        index = len(self.measures)
        measure = Measure(f"{self.place}, measure {index + 1}")
        self.measures.append(measure)
        measure.forward = element.find("startRepeat") is not None
        times = element.findtext("endRepeat")
        if times is not None:
            measure.backward = integer(times or 2, measure.place, "endRepeat", 1, MAX_PASSES)
        for voice, content in enumerate(element.findall("voice"), 1):
            self._voice(content, str(voice), measure)
        for child in [*element, *(c for voice in element.findall("voice") for c in voice)]:
            self._sign(child, measure)
        measure.passes = self.voltas.get(index, frozenset())
        measure.bpms.sort()

    def _sign(self, element: Element, measure: Measure) -> None:
        if element.tag == "Marker":
            sign = _SIGNS.get((element.findtext("label") or "").strip())
            if sign:
                measure.signs[sign] = ""
        elif element.tag == "Jump":
            to = (element.findtext("jumpTo") or "start").strip()
            measure.signs["dacapo" if to == "start" else "dalsegno"] = ""

    def _voice(self, element: Element, voice: str, measure: Measure) -> None:
        position = Fraction(0)
        tuplets: list[Fraction] = []
        for child in element:
            if child.tag == "Tuplet":
                normal = integer(child.findtext("normalNotes"), measure.place, "normalNotes", 1, 99)
                actual = integer(child.findtext("actualNotes"), measure.place, "actualNotes", 1, 99)
                tuplets.append(Fraction(normal, actual))
            elif child.tag == "endTuplet":
                tuplets = tuplets[:-1]
            elif child.tag == "location":
                moved = child.findtext("fractions")
                position += _fraction(moved, measure.place, "fractions") if moved else 0
            elif child.tag == "Tempo":
                beats = number(
                    child.findtext("tempo"), measure.place, "tempo", 0.01, _MAX_BEATS_PER_SEC
                )
                measure.bpms.append((max(position, Fraction(0)), 60 * beats))
            elif child.tag == "Spanner" and child.get("type") == "Volta":
                self._volta(child)
            elif child.tag == "Breath" and measure.notes and measure.notes[-1].voice == voice:
                measure.notes[-1].breath = True
            elif child.tag in ("Chord", "Rest"):
                length = self._length(child, measure.place)
                for ratio in tuplets:
                    length *= ratio
                position = self._notes(child, position, length, voice, measure)
            measure.length = max(measure.length, position)

    def _volta(self, spanner: Element) -> None:
        """Endings hold for the measures from here on that their bracket spans."""
        volta = spanner.find("Volta")
        if volta is None:
            return
        numbers = re.findall("[0-9]{1,2}", volta.findtext("endings") or "1")
        passes = frozenset(n for n in map(int, numbers) if 1 <= n <= MAX_PASSES)
        span = spanner.findtext("next/location/measures") or "1"
        here = len(self.measures) - 1
        for index in range(here, here + integer(span, self.place, "measures", 0, 1000)):
            self.voltas[index] = passes

    def _length(self, element: Element, place: str) -> Fraction:
        name = (element.findtext("durationType") or "").strip()
        if name == "measure":
            return _fraction(element.findtext("duration"), place, "duration")
        if name not in _QUARTERS:
            raise UserError(place, repr(name), "a length such as quarter", "durationType")
        dots = integer(element.findtext("dots") or 0, place, "dots", 0, 4)
        return Fraction(_QUARTERS[name]) * (2 - Fraction(1, 2**dots))

    def _notes(
        self, chord: Element, start: Fraction, length: Fraction, voice: str, measure: Measure
    ) -> Fraction:
        """Add the notes of a chord, or a rest; where the next begins."""
        if any(chord.find(tag) is not None for tag in _GRACES_AFTER):
            return start  # they stand before the note that they follow
        grace = "next" if any(chord.find(tag) is not None for tag in _GRACES) else ""
        end = start if grace else start + length
        common = {"start": start, "length": Fraction(0) if grace else length, "voice": voice}
        silent = {"midi": 0, "chord": False, "tie_start": False, "tie_stop": False, "lyrics": {}}
        if chord.tag == "Rest":
            measure.notes.append(XmlNote(**common, **silent, place=measure.place))
            return end
        if (chord.findtext("small") or "0") == "1":  # cue notes
            return end
        count = sum(note.midi > 0 for note in measure.notes)
        for index, note in enumerate(chord.findall("Note")):
            place = f"{measure.place}, note {count + index + 1}"
            ties = [s for s in note.findall("Spanner") if s.get("type") == "Tie"]
            measure.notes.append(
                XmlNote(
                    **common,
                    midi=integer(note.findtext("pitch"), place, "pitch", 1, 127),
                    chord=index > 0,
                    tie_start=any(tie.find("next") is not None for tie in ties),
                    tie_stop=any(tie.find("prev") is not None for tie in ties),
                    lyrics={} if index else _lyrics(chord, place),
                    place=place,
                    grace=grace,
                )
            )
        return end


def _lyrics(chord: Element, place: str) -> dict[int, str]:
    """Lyric of each verse; a hyphen at its end where the word goes on on the next note."""
    lyrics: dict[int, str] = {}
    for lyric in chord.findall("Lyrics"):
        element = lyric.find("text")
        text = "".join(element.itertext()).strip() if element is not None else ""
        text = _VERSE_LABEL.sub("", text)
        verse = integer(lyric.findtext("no") or 0, place, "no", 0, 99) + 1
        if text and (lyric.findtext("syllabic") or "").strip() in ("begin", "middle"):
            text = text.rstrip("-") + "-"
        if text:
            lyrics.setdefault(verse, text)
    return lyrics


def parse_staff(staff: Element, place: str) -> list[Measure]:
    """Read the measures of a staff; `UserError` names staff, measure and element."""
    reader = _StaffReader(place)
    for measure in staff.findall("Measure"):
        if measure.find("multiMeasureRest") is None:  # drawn in place of the rests that follow it
            reader.read(measure)
    return reader.measures
