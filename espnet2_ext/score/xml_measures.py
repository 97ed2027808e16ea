"""The measures of one MusicXML part: notes, tempo marks and repeats, times in quarter notes."""

import re
from dataclasses import dataclass, field
from fractions import Fraction
from xml.etree.ElementTree import Element

from espnet2_ext.errors import UserError

MAX_PASSES = 16
_DECIMAL = re.compile(r"-?[0-9]{1,12}(\.[0-9]{0,12})?")
MAX_MEASURES = 20_000
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_BEATS = {"whole": 4, "half": 2, "quarter": 1, "eighth": Fraction(1, 2), "16th": Fraction(1, 4)}


@dataclass
class XmlNote:
    """A sounding note; `lyrics` by verse number; times in quarters from the measure's start."""

    start: Fraction
    length: Fraction
    midi: int
    voice: str
    chord: bool
    tie_start: bool
    tie_stop: bool
    lyrics: dict[int, str]
    place: str


@dataclass
class Measure:
    """A measure as written; `passes` are the numbers of its ending, empty outside endings."""

    place: str
    notes: list[XmlNote] = field(default_factory=list)
    bpms: list[tuple[Fraction, float]] = field(default_factory=list)
    length: Fraction = Fraction(0)
    forward: bool = False
    backward: int = 0
    passes: frozenset[int] = frozenset()
    ending_stops: bool = False
    jumps: bool = False


def _number(text: str | None, place: str, field_name: str, low: float = 0) -> Fraction:
    match = _DECIMAL.fullmatch((text or "").strip())
    value = Fraction(match[0]) if match else None
    if value is None or not low <= value <= 1e6:
        raise UserError(place, f"{text!r}", "a number", field_name)
    return value


def _midi(note: Element, transpose: int, place: str) -> int:
    pitch = note.find("pitch")
    if pitch is None:
        raise UserError(place, "a note without pitch", "pitch", "note")
    step = (pitch.findtext("step") or "").strip()
    if step not in _STEPS:
        raise UserError(place, f"{step!r}", "A-G", "step")
    octave = _number(pitch.findtext("octave"), place, "octave")
    alter = _number(pitch.findtext("alter") or "0", place, "alter", -3)
    midi = round(12 * (octave + 1) + _STEPS[step] + alter) + transpose
    if not 1 <= midi <= 127:
        raise UserError(place, f"midi {midi}", "1-127", "pitch")
    return midi


def _lyrics(note: Element) -> dict[int, str]:
    """Lyric of each verse; a dash for a line that only extends."""
    lyrics: dict[int, str] = {}
    for index, lyric in enumerate(note.findall("lyric"), 1):
        digits = "".join(c for c in lyric.get("number", "") if c.isascii() and c.isdigit())[-2:]
        text = "".join(part.text or "" for part in lyric.findall("text")).strip()
        if text:
            lyrics.setdefault(int(digits) if digits else index, text)
    return lyrics


def _metronome(direction: Element, place: str) -> float | None:
    metronome = direction.find("direction-type/metronome")
    if metronome is None or metronome.find("per-minute") is None:
        return None
    digits = (metronome.findtext("per-minute") or "").strip()
    beat = _BEATS.get((metronome.findtext("beat-unit") or "quarter").strip())
    if beat is None or not digits.replace(".", "", 1).isdigit():
        return None  # "ca. 100" and the like: the sound element, if any, gives the number
    dotted = Fraction(3, 2) if metronome.find("beat-unit-dot") is not None else 1
    return float(_number(digits, place, "per-minute") * beat * dotted)


class _PartReader:
    def __init__(self, place: str) -> None:
        self.part_place = place
        self.divisions = Fraction(1)
        self.transpose = 0
        self.passes: frozenset[int] = frozenset()
        self.handlers = {
            "attributes": self._attributes,
            "backup": self._backup,
            "barline": self._barline,
            "direction": self._direction,
            "forward": self._forward,
            "note": self._note,
            "sound": self._sound,
        }

    def read(self, element: Element, number: int) -> Measure:
        measure = Measure(f"{self.part_place}, measure {element.get('number', number)}")
        self.position = self.chord_start = Fraction(0)
        self.measure = measure
        for child in element:
            if child.tag in self.handlers:
                self.handlers[child.tag](child)
            measure.length = max(measure.length, self.position)
        measure.passes = measure.passes or self.passes
        if measure.ending_stops:
            self.passes = frozenset()
        measure.bpms.sort()
        return measure

    def _attributes(self, element: Element) -> None:
        place = self.measure.place
        if element.find("divisions") is not None:
            self.divisions = _number(element.findtext("divisions"), place, "divisions", 1e-6)
        moved = element.find("transpose")
        if moved is not None:
            semitones = _number(moved.findtext("chromatic") or "0", place, "chromatic", -99)
            octaves = _number(moved.findtext("octave-change") or "0", place, "octave-change", -9)
            self.transpose = round(semitones + 12 * octaves)

    def _length(self, element: Element) -> Fraction:
        text = element.findtext("duration")
        return _number(text, self.measure.place, "duration") / self.divisions

    def _backup(self, element: Element) -> None:
        self.position = max(Fraction(0), self.position - self._length(element))

    def _forward(self, element: Element) -> None:
        self.position += self._length(element)

    def _note(self, element: Element) -> None:
        if element.find("grace") is not None or element.find("cue") is not None:
            return
        length = self._length(element)
        chord = element.find("chord") is not None
        if not chord:
            self.chord_start = self.position
            self.position += length
        if element.find("rest") is not None or element.find("unpitched") is not None:
            return
        ties = {tie.get("type") for tie in element.findall("tie")}
        place = f"{self.measure.place}, note {len(self.measure.notes) + 1}"
        note = XmlNote(
            self.chord_start,
            length,
            _midi(element, self.transpose, place),
            (element.findtext("voice") or "1").strip(),
            chord,
            "start" in ties,
            "stop" in ties,
            _lyrics(element),
            place,
        )
        self.measure.notes.append(note)

    def _sound(self, element: Element, position: Fraction | None = None) -> bool:
        at = self.position if position is None else position
        self.measure.jumps |= any(key in element.attrib for key in ("dacapo", "dalsegno", "tocoda"))
        tempo = element.get("tempo")
        if tempo is None:
            return False
        bpm = float(_number(tempo, self.measure.place, "tempo"))
        if bpm > 0:  # some editors write 0 where there is no mark
            self._tempo(at, bpm)
        return bpm > 0

    def _tempo(self, at: Fraction, bpm: float) -> None:
        self.measure.bpms = [b for b in self.measure.bpms if b[0] != at] + [(at, bpm)]

    def _direction(self, element: Element) -> None:
        offset = element.findtext("offset")
        shift = _number(offset, self.measure.place, "offset", -1e6) if offset else Fraction(0)
        at = max(Fraction(0), self.position + shift / self.divisions)
        sounds = [self._sound(sound, at) for sound in element.findall("sound")]
        bpm = None if any(sounds) else _metronome(element, self.measure.place)
        if bpm:
            self._tempo(at, bpm)

    def _barline(self, element: Element) -> None:
        measure = self.measure
        ending = element.find("ending")
        if ending is not None:
            if ending.get("type") == "start":
                numbers = (ending.get("number") or "1").replace(",", " ").split()
                self.passes = frozenset(int(n) for n in numbers if n in map(str, range(1, 17)))
                measure.passes = self.passes
            else:
                measure.ending_stops = True
        repeat = element.find("repeat")
        if repeat is not None:
            if repeat.get("direction") == "forward":
                measure.forward = True
            else:
                times = _number(repeat.get("times", "2"), measure.place, "times", 1)
                measure.backward = min(MAX_PASSES, int(times))


def parse_measures(part: Element, place: str) -> list[Measure]:
    """Read the measures of a part; `UserError` names part, measure and field."""
    reader = _PartReader(place)
    return [reader.read(m, i) for i, m in enumerate(part.findall("measure"), 1)]


def unfold(measures: list[Measure]) -> list[tuple[int, int]]:
    """Order of play: (index of a measure, which pass of its section from 1).

    Repeats with endings are played; nested repeats are not a thing in MusicXML.
    """
    order: list[tuple[int, int]] = []
    index = start = 0
    times = 1
    while index < len(measures):
        if len(order) > MAX_MEASURES:
            place = measures[index].place
            raise UserError(place, "repeats without end", f"{MAX_MEASURES} measures")
        measure = measures[index]
        if measure.forward and index != start:
            start, times = index, 1
        if measure.passes and times not in measure.passes:
            index += 1
            continue
        order.append((index, times))
        if measure.backward:
            following = measures[index + 1].passes if index + 1 < len(measures) else frozenset()
            total = max(measure.passes | following) if measure.passes else measure.backward
            if measure.passes and not following:
                total = max(measure.passes) + 1
            if times < min(total, MAX_PASSES):
                index, times = start, times + 1
                continue
        if measure.backward or measure.ending_stops:
            start, times = index + 1, 1
        index += 1
    return order
