"""The measures of one MusicXML part: notes, tempo marks and signs, times in quarter notes."""

import re
from dataclasses import dataclass, field
from fractions import Fraction
from xml.etree.ElementTree import Element

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.xml_tempo import tempo_mark, tempo_relation, warn_of_another_tempo

MAX_PASSES = 16
_DECIMAL = re.compile(r"-?[0-9]{1,12}(\.[0-9]{0,12})?")
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_VERSE_NUMBER = re.compile(  # 1. or 1-4. or (1) before the first word
    r"^[(\[]?\d{1,2}(?!\d)(?:[\s\d.,&/+()\[\]:\u2013\u2014\uff0e\u3001\uff09-]|and\b|und\b|et\b)*"
    r"(?<=[.)\]:\uff0e\u3001\uff09])\s*(?=[^\s\d])"
)
_PASSES = re.compile(r"([0-9]{1,2})(?:\.?\s*[-\u2013]\s*([0-9]{1,2}))?")
_BEATS = re.compile(r"[0-9]{1,3}(\s*\+\s*[0-9]{1,3}){0,8}")
_UNIT = re.compile(r"[1-9][0-9]{0,3}")
_WORDS = {
    "dacapo": re.compile(r"d\.?\s*c\.?\b|da capo", re.IGNORECASE),
    "dalsegno": re.compile(r"d\.?\s*s\.?\b|dal segno", re.IGNORECASE),
    "tocoda": re.compile(r"to coda", re.IGNORECASE),
    "fine": re.compile(r"fine\W*$", re.IGNORECASE),
}


@dataclass
class XmlNote:
    """A note or rest (midi 0); times in quarters from the measure's start.

    `lyrics` by verse number; `begins` are the verses whose lyric is said to begin a word, `goes_on`
    those whose word is said to go on on the next note; `breath` after a note, or a rest that is
    one; `grace`: no length of its own, "previous" where it takes its time from the note before;
    `small`: in the size of cues.
    """

    start: Fraction
    length: Fraction
    midi: int
    voice: str
    chord: bool
    tie_start: bool
    tie_stop: bool
    lyrics: dict[int, str]
    place: str
    breath: bool = False
    grace: str = ""
    begins: frozenset[int] = frozenset()
    goes_on: frozenset[int] = frozenset()
    small: bool = False


@dataclass
class Measure:
    """A measure as written.

    `length` is that of what stands in it, `nominal` what its time signature says, `beat`
    what that beats, 0 if unknown. `relations` are places where two notes are said to be equal.
    `passes` are the numbers of its ending, empty outside endings. `signs` are the marks of jumps:
    segno, coda (where they lead), tocoda, dalsegno, dacapo, fine; each with its label, if any.
    `after_jump`: whether the repeat that ends here is played after a jump too, though heard before.
    `unsung` are lyrics that no sung note carries: voice, kind of note, verses.
    """

    place: str
    notes: list[XmlNote] = field(default_factory=list)
    bpms: list[tuple[Fraction, float]] = field(default_factory=list)
    relations: list[tuple[Fraction, Fraction, Fraction]] = field(default_factory=list)
    length: Fraction = Fraction(0)
    nominal: Fraction = Fraction(0)
    beat: Fraction = Fraction(0)
    forward: bool = False
    backward: int = 0
    after_jump: bool = False
    passes: frozenset[int] = frozenset()
    ending_stops: bool = False
    signs: dict[str, str] = field(default_factory=dict)
    unsung: list[tuple[str, str, set[int]]] = field(default_factory=list)


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
    octave = _number(pitch.findtext("octave"), place, "octave", -1)
    alter = _number(pitch.findtext("alter") or "0", place, "alter", -3)
    midi = round(12 * (octave + 1) + _STEPS[step] + alter) + transpose
    if not 1 <= midi <= 127:
        raise UserError(place, f"midi {midi}", "1-127", "pitch")
    return midi


@dataclass
class Verses:
    """The lyrics of a note by verse, and the verses where they begin a word or leave it open."""

    lyrics: dict[int, str] = field(default_factory=dict)
    begins: set[int] = field(default_factory=set)
    goes_on: set[int] = field(default_factory=set)

    def add(self, verse: int, text: str, begins: bool, goes_on: bool) -> None:
        """Add the lyric of a verse, if that has none, without the label of the verse.

        A hyphen stands at its end where the word goes on on the next note.
        """
        text = _VERSE_NUMBER.sub("", text.replace("\u203f", " ").strip())
        if not text or verse in self.lyrics:
            return
        if goes_on:
            text = text.rstrip("-") + "-"
            self.goes_on.add(verse)
        if begins:
            self.begins.add(verse)
        self.lyrics[verse] = text


def verse_of(lyric: Element, index: int) -> int:
    """The verse of the `index`-th lyric of a note: the digits of its number, or else `index`."""
    digits = "".join(c for c in lyric.get("number", "") if c.isascii() and c.isdigit())[-2:]
    return int(digits) if digits else index


def _verses(note: Element) -> Verses:
    verses = Verses()
    for index, lyric in enumerate(note.findall("lyric"), 1):
        parts = [part for part in lyric if part.tag in ("text", "elision")]
        text = "".join(" " if part.tag == "elision" else part.text or "" for part in parts)
        said = [(part.text or "").strip() for part in lyric.findall("syllabic")] or [""]
        begins, goes_on = said[0] in ("begin", "single"), said[-1] in ("begin", "middle")
        verses.add(verse_of(lyric, index), text, begins, goes_on)
    return verses


def _passes(numbers: str) -> frozenset[int]:
    """The passes of an ending: `1, 2`, `1.2.` or `1-3`."""
    passes: set[int] = set()
    for first, last in _PASSES.findall(numbers):
        passes.update(range(int(first), int(last or first) + 1))
    return frozenset(passes.intersection(range(1, MAX_PASSES + 1)))


def _time_signature(attributes: Element) -> tuple[Fraction, Fraction]:
    """Quarters of a measure and of its beat: 4/4, 6/8 (beats are dotted), 3+2/8; 0 if unknown."""
    beats = [(e.text or "").strip() for e in attributes.findall("time/beats")]
    units = [(e.text or "").strip() for e in attributes.findall("time/beat-type")]
    said = list(zip(beats, units, strict=False))
    if not all(_BEATS.fullmatch(count) and _UNIT.fullmatch(unit) for count, unit in said):
        return Fraction(0), Fraction(0)
    each = [(sum(map(int, count.split("+"))), Fraction(4, int(unit))) for count, unit in said]
    length = sum((count * unit for count, unit in each), Fraction(0))
    if len(each) != 1 or "+" in beats[0]:
        return length, Fraction(0)
    count, unit = each[0]
    dotted = count > 3 and count % 3 == 0 and unit < 1
    return length, 3 * unit if dotted else unit


def _is_small(note: Element) -> bool:
    size = note.find("type")
    return size is not None and size.get("size") == "cue"


class _PartReader:
    def __init__(self, place: str) -> None:
        self.part_place = place
        self.divisions = Fraction(1)
        self.nominal = self.beat = Fraction(0)
        self.cue: Verses | None = None  # of the cue note that begins the chord
        self.transpose = 0
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
        measure.nominal, measure.beat = self.nominal, self.beat
        measure.bpms.sort()
        return measure

    def _attributes(self, element: Element) -> None:
        place = self.measure.place
        if element.find("divisions") is not None:
            self.divisions = _number(element.findtext("divisions"), place, "divisions", 1e-6)
        if element.find("time") is not None:
            self.nominal, self.beat = _time_signature(element)
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
        voice = (element.findtext("voice") or "1").strip()
        grace = element.find("grace")
        length = self._length(element) if grace is None else Fraction(0)
        giver = ""
        if grace is not None:
            giver = "previous" if grace.get("steal-time-previous") else "next"
        chord = element.find("chord") is not None
        if not chord:
            self.chord_start = self.position
            self.position += length
        if element.find("cue") is not None:
            self.cue = None if chord else _verses(element)
            self._unsung(element, voice, "cue notes")
            return
        of_cue, self.cue = (self.cue if chord else None), None
        if element.find("unpitched") is not None:
            self._unsung(element, voice, "notes without pitch")
            return
        is_rest = element.find("rest") is not None
        if is_rest:
            self._unsung(element, voice, "rests")
            if element.get("print-object") == "no" and element.find("notations") is None:
                return  # it keeps the time of a voice that is not there
        ties = {tie.get("type") for tie in element.findall("tie")}
        verses = Verses() if is_rest else _verses(element)
        if of_cue and of_cue.lyrics and not verses.lyrics:  # of the chord, on its cue note
            verses = of_cue
            self.measure.unsung.pop()
        number = sum(note.midi > 0 for note in self.measure.notes) + 1
        place = f"{self.measure.place}, note {number}"
        note = XmlNote(
            self.chord_start,
            length,
            0 if is_rest else _midi(element, self.transpose, place),
            voice,
            chord,
            "start" in ties,
            "stop" in ties,
            verses.lyrics,
            place,
            element.find("notations/articulations/breath-mark") is not None,
            giver,
            frozenset(verses.begins),
            frozenset(verses.goes_on),
            grace is None and _is_small(element),
        )
        self.measure.notes.append(note)

    def _unsung(self, element: Element, voice: str, kind: str) -> None:
        verses = set(_verses(element).lyrics)
        if verses:
            self.measure.unsung.append((voice, kind, verses))

    def _sound(self, element: Element, position: Fraction | None = None) -> bool:
        at = self.position if position is None else position
        for sign in ("segno", "coda", "tocoda", "dalsegno", "dacapo", "fine"):
            if element.get(sign, "no") != "no":
                self.measure.signs[sign] = element.get(sign, "")
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
        relation = None if any(sounds) else tempo_relation(element)
        bpm = None if any(sounds) or relation else tempo_mark(element, self.measure.place)
        if any(sounds):
            warn_of_another_tempo(element, dict(self.measure.bpms)[at], self.measure.place)
        if relation:
            self.measure.relations.append((at, *relation))
        if bpm:
            self._tempo(at, bpm)
        if not any(sound.attrib.keys() - {"tempo", "dynamics"} for sound in element.iter("sound")):
            self._words(element)

    def _words(self, element: Element) -> None:
        """Signs of jumps that are only drawn."""
        text = " ".join((words.text or "").strip() for words in element.iter("words"))
        found = [sign for sign, pattern in _WORDS.items() if pattern.match(text.strip())]
        drawn = [s for s in ("segno", "coda") if element.find(f"direction-type/{s}") is not None]
        for sign in found or drawn:
            self.measure.signs.setdefault(sign, "")

    def _barline(self, element: Element) -> None:
        measure = self.measure
        ending = element.find("ending")
        if ending is not None:
            if ending.get("type") == "start":
                measure.passes = _passes(ending.get("number") or "1")
            else:
                measure.ending_stops = True
        for sign in ("segno", "coda"):
            if element.find(sign) is not None:
                measure.signs.setdefault(sign, element.get(sign, ""))
        repeat = element.find("repeat")
        if repeat is not None:
            if repeat.get("direction") == "forward":
                measure.forward = True
            else:
                times = _number(repeat.get("times", "2"), measure.place, "times", 1)
                measure.backward = min(MAX_PASSES, int(times))
                measure.after_jump = repeat.get("after-jump") == "yes"


def parse_measures(part: Element, place: str) -> list[Measure]:
    """Read the measures of a part; `UserError` names part, measure and field."""
    reader = _PartReader(place)
    return [reader.read(m, i) for i, m in enumerate(part.findall("measure"), 1)]


def complete_endings(measures: list[Measure]) -> None:
    """Give every measure of an ending its passes, which the first has from its bracket; once."""
    for first in [i for i, measure in enumerate(measures) if measure.passes]:
        last = _last_of_ending(measures, first)
        for measure in measures[first : last + 1]:
            measure.passes = measures[first].passes
            measure.ending_stops = False
        measures[last].ending_stops = True


def _last_of_ending(measures: list[Measure], first: int) -> int:
    """The last measure of the ending that begins at `first`.

    That is the one with the repeat sign; where there is none, as in a last ending, the one where
    the bracket ends. A bracket may be drawn shorter than its ending: then the next ending begins
    after the repeat sign.
    """
    after = range(first + 1, len(measures))
    limit = next((i for i in after if measures[i].passes or measures[i].forward), len(measures))
    inside = range(first, limit)
    repeat = next((i for i in inside if measures[i].backward), None)
    stop = next((i for i in inside if measures[i].ending_stops), None)
    follows = limit < len(measures) and min(measures[limit].passes, default=0)
    leads_on = bool(follows) and follows > max(measures[first].passes)
    if repeat is not None and (
        stop is None or repeat <= stop or (leads_on and repeat == limit - 1)
    ):
        return repeat
    if stop is not None:
        return stop
    return limit - 1 if follows else first
