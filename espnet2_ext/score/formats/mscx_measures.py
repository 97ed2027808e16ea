"""The measures of a staff of MuseScore's format, versions 3 and 4, as those of a MusicXML part.

Pitches are as they sound, but for ottava lines. Which mark of tempo holds from where is as in
MuseScore's own player.
"""

import math
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from fractions import Fraction
from xml.etree.ElementTree import Element

from espnet2_ext.score.formats.mscx_notes import fraction, grace_of, is_on, length_of, notes_of
from espnet2_ext.score.formats.project_fields import integer, number
from espnet2_ext.score.formats.xml_measures import MAX_PASSES, Measure, XmlNote

_SIGNS = {"fine": "fine", "coda": "tocoda", "codab": "coda", "varcoda": "coda"}
_SIGNS |= {"segno": "segno", "varsegno": "segno"}
_OTTAVAS = {"8va": 12, "8vb": -12, "15ma": 24, "15mb": -24, "22ma": 36, "22mb": -36}
NOT_PLAYED = {
    "GradualTempoChange": "gradual changes of tempo are not sung, only marks of tempo",
    "MeasureRepeat": "signs that repeat a measure are sung as rests",
    "RepeatMeasure": "signs that repeat a measure are sung as rests",
    "swing": "marks of swing are not sung, notes are as long as written",
}
_MAX_BEATS_PER_SEC = 100
_MAX_MEASURES = 1000  # of a bracket or line


@dataclass
class Staff:
    """A staff as written.

    `primos` are the places, as (index of measure, position), where the first tempo of the score is
    taken up again; `not_played` counts what is written and not sung, by what the warning says.
    """

    measures: list[Measure] = field(default_factory=list)
    primos: list[tuple[int, Fraction]] = field(default_factory=list)
    not_played: Counter[str] = field(default_factory=Counter)


class _StaffReader:
    def __init__(self, place: str) -> None:
        self.place = place
        self.staff = Staff()
        self.number = 0  # of the measure, as printed
        self.starts_section = False
        self.repeats_after_jumps = False
        self.stretch = Fraction(1)  # where a staff has a time signature of its own
        self.voltas: list[tuple[int, int, frozenset[int]]] = []  # first, last measure, passes
        self.ottavas: list[tuple[tuple[int, Fraction], tuple[int, Fraction], int]] = []

    def read(self, element: Element) -> None:
        measure = Measure(f"{self.place}, {self._name(element)}")
        self.staff.measures.append(measure)
        measure.forward = element.find("startRepeat") is not None or self.starts_section
        self.starts_section = False
        times = element.findtext("endRepeat")
        if times is not None:
            measure.backward = integer(times or 2, measure.place, "endRepeat", 1, MAX_PASSES)
        for voice, content in enumerate(element.findall("voice"), 1):
            self._voice(content, str(voice), measure)
        for child in [*element, *(c for voice in element.findall("voice") for c in voice)]:
            self._sign(child, measure)
        if element.get("len"):
            measure.length = fraction(element.get("len"), measure.place, "len")
        measure.bpms.sort()

    def _name(self, element: Element) -> str:
        """The number that is printed: pickups and the like have none."""
        offset = integer(element.findtext("noOffset") or 0, self.place, "noOffset", -9999, 9999)
        if is_on(element, "irregular"):
            self.number += offset
            return f"irregular measure after {self.number}"
        self.number += 1 + offset
        return f"measure {self.number}"

    def _sign(self, element: Element, measure: Measure) -> None:
        if element.tag == "Marker":
            sign = _SIGNS.get((element.findtext("label") or "").strip())
            if sign:
                measure.signs[sign] = ""
        elif element.tag == "Jump":
            to = (element.findtext("jumpTo") or "start").strip()
            measure.signs["dacapo" if to == "start" else "dalsegno"] = ""
            self.repeats_after_jumps |= is_on(element, "playRepeats")
        elif element.tag == "LayoutBreak":
            self.starts_section |= (element.findtext("subtype") or "").strip() == "section"

    def _voice(self, element: Element, voice: str, measure: Measure) -> None:
        position = Fraction(0)
        tuplets: list[Fraction] = []
        after: list[XmlNote] = []  # graces; before the note that they follow, the last one first
        for child in element:
            if child.tag == "Tuplet":
                normal = integer(child.findtext("normalNotes"), measure.place, "normalNotes", 1, 99)
                actual = integer(child.findtext("actualNotes"), measure.place, "actualNotes", 1, 99)
                tuplets.append(Fraction(normal, actual))
            elif child.tag == "endTuplet":
                tuplets = tuplets[:-1]
            elif child.tag == "location":
                moved = child.findtext("fractions")
                position += fraction(moved, measure.place, "fractions") if moved else 0
            elif child.tag == "TimeSig":
                low = integer(child.findtext("stretchN") or 1, measure.place, "stretchN", 1, 99)
                high = integer(child.findtext("stretchD") or 1, measure.place, "stretchD", 1, 99)
                self.stretch = Fraction(high, low)
            elif child.tag == "Tempo":
                self._tempo(child, max(position, Fraction(0)), measure)
            elif child.tag == "Spanner":
                self._spanner(child, position, measure)
            elif child.tag == "Breath" and is_on(child, "visible", "1"):
                for note in measure.notes[-1:]:
                    note.breath = note.breath or note.voice == voice
            elif child.tag in ("Chord", "Rest", "MeasureRepeat", "RepeatMeasure"):
                if child.tag in NOT_PLAYED:
                    self.staff.not_played[child.tag] += 1
                length = length_of(child, measure.place) * self.stretch * math.prod(tuplets)
                grace = grace_of(child)
                notes = notes_of(child, position, length, voice, measure, grace)
                if grace == "previous":
                    after = notes + after
                    continue
                measure.notes += notes
                if not grace:
                    position += length
                    measure.notes += [replace(note, start=position) for note in after]
                    after = []
            elif child.find("swing") is not None:
                self.staff.not_played["swing"] += 1
            measure.length = max(measure.length, position)

    def _tempo(self, element: Element, position: Fraction, measure: Measure) -> None:
        """A mark of tempo; `a tempo` ends a gradual change, which is not sung."""
        if not is_on(element, "play", "1"):
            return
        kind = (element.findtext("type") or "").strip()
        if is_on(element, "followText") and kind == "tempoPrimo":
            self.staff.primos.append((len(self.staff.measures) - 1, position))
        elif not (is_on(element, "followText") and kind == "aTempo"):
            text = element.findtext("tempo")
            beats = number(text, measure.place, "tempo", 0.01, _MAX_BEATS_PER_SEC)
            measure.bpms.append((position, 60 * beats))

    def _spanner(self, spanner: Element, position: Fraction, measure: Measure) -> None:
        kind = spanner.get("type", "")
        if spanner.find("next") is None:
            return
        if kind in NOT_PLAYED:
            self.staff.not_played[kind] += 1
        here = len(self.staff.measures) - 1
        measures = spanner.findtext("next/location/measures") or 0
        moved = spanner.findtext("next/location/fractions")
        end = here + integer(measures, measure.place, "measures", -_MAX_MEASURES, _MAX_MEASURES)
        until = position + (fraction(moved, measure.place, "fractions") if moved else 0)
        volta, ottava = spanner.find("Volta"), spanner.find("Ottava")
        if volta is not None:
            numbers = re.findall("[0-9]{1,2}", volta.findtext("endings") or "1")
            passes = frozenset(n for n in map(int, numbers) if 1 <= n <= MAX_PASSES)
            self.voltas.append((here, end if until > 0 else max(end - 1, here), passes))
        elif ottava is not None:
            shift = _OTTAVAS.get((ottava.findtext("subtype") or "").strip(), 0)
            self.ottavas.append(((here, position), (end, until), shift))

    def finish(self) -> Staff:
        """The staff, with the endings that its brackets span and the octaves of its lines."""
        measures = self.staff.measures
        for first, last, passes in self.voltas:
            measures[first].passes = passes
            measures[min(last, len(measures) - 1)].ending_stops = True
        for measure in measures:
            measure.after_jump = bool(measure.backward) and self.repeats_after_jumps
        for start, end, shift in self.ottavas:
            for index in range(start[0], min(end[0] + 1, len(measures))):
                notes = measures[index].notes
                for at, note in enumerate(notes):
                    if note.midi and start <= (index, note.start) < end:
                        notes[at] = replace(note, midi=min(max(note.midi + shift, 1), 127))
        return self.staff


def parse_staff(staff: Element, place: str) -> Staff:
    """Read the measures of a staff; `UserError` names staff, measure and element."""
    reader = _StaffReader(place)
    for measure in staff.findall("Measure"):
        if measure.find("multiMeasureRest") is None:  # drawn in place of the rests that follow it
            reader.read(measure)
    return reader.finish()
