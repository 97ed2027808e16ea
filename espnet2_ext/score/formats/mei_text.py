"""An MEI file made ready for converter21: tempo, accidentals and endings that it would not read."""

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.mei_accidentals import lacks_sounding, state_sounding
from espnet2_ext.score.formats.mei_endings import Ending, endings_of
from espnet2_ext.score.formats.project_fields import MAX_BPM, number, parse_xml

_NAMESPACE = "http://www.music-encoding.org/ns/mei"
_EXPECTED = "an MEI file"
_MICROSECONDS = 60e6
_VERSE_NUMBER = re.compile(r"^\s*[0-9]{1,2}[.)]?~")  # before the first syllable, ~ is a hard space


@dataclass(frozen=True)
class MeiText:
    """An MEI for converter21, and what its MusicXML must have: syllables, endings, measures.

    `tempo_in_words` are the tempo marks without a number.
    """

    text: str
    tempo_in_words: list[str]
    syllables: int
    endings: list[Ending]
    n_measures: int


def prepare_mei(data: bytes, path: Path) -> MeiText:
    """The file's text, and what converter21 loses of it.

    A tempo that a scoreDef states (midi.bpm, midi.mspb, mm) becomes a tempo element of the measure
    after it. Where no note says how it sounds, each is given the accidental that holds for it, with
    a warning; another says that sections are not played in the order of an expansion.

    Raises:
        UserError: no MEI, several movements, or a tempo that is no number.
    """
    root = parse_xml(data, path, _EXPECTED)
    if root.tag not in ("mei", "music"):
        raise UserError(path, f"root element {root.tag!r}", f"{_EXPECTED}: mei")
    body = root.find("music") if root.tag == "mei" else root  # a head may have incipits
    if body is None:
        raise UserError(path, "no music", _EXPECTED, "mei")
    movements = len(list(body.iter("mdiv")))
    if movements > 1:
        raise UserError(path, f"{movements} movements (mdiv)", "one movement a file")
    _state_tempos(body, path)
    if body.find(".//expansion") is not None:
        logging.warning("%s: the order of sections (expansion) is not played: as written", path)
    if lacks_sounding(body):
        found = "no note says how it sounds (accid.ges)"
        logging.warning("%s: %s: as key signature and accidentals say", path, found)
        state_sounding(body)
    for syl in body.iter("syl"):
        for part in syl.iter():  # a syl, or what marks its type
            if part.text:
                part.text = _VERSE_NUMBER.sub("", part.text).replace("~", " ")
    syllables = sum(bool("".join(syl.itertext()).strip()) for syl in body.iter("syl"))
    notes = (note for note in body.iter("note") if note.find(".//syl") is None)
    syllables += sum("syl" in note.attrib for note in notes)  # where it is not written twice
    endings, n_measures = endings_of(body)
    root.set("xmlns", _NAMESPACE)
    words = [" ".join("".join(mark.itertext()).split()) for mark in body.iter("tempo")
             if "midi.bpm" not in mark.attrib]  # fmt: skip
    text = tostring(root, encoding="unicode")
    return MeiText(text, list(filter(None, words)), syllables, endings, n_measures)


def _state_tempos(body: Element, path: Path) -> None:
    """Have each tempo mark, and each measure after a scoreDef with a tempo, say midi.bpm."""
    for mark in body.iter("tempo"):
        bpm = _bpm(mark, path)
        if bpm is not None:
            mark.set("midi.bpm", f"{bpm:g}")
    stated: float | None = None
    for element in body.iter():
        if element.tag == "scoreDef":
            stated = _bpm(element, path) or stated
        elif element.tag == "measure" and stated is not None:
            marks = [t for t in element.findall("tempo") if t.get("tstamp", "1") in ("1", "1.0")]
            if not any(_bpm(mark, path) for mark in marks):
                staff = element.find("staff")
                on = staff.get("n", "1") if staff is not None else "1"
                values = {"tstamp": "1", "staff": on, "midi.bpm": f"{stated:g}"}
                SubElement(element, "tempo", values)
            stated = None


def _bpm(element: Element, path: Path) -> float | None:
    """Quarters per minute that an element states; None where it states none."""
    place = f"{path}: {element.tag}"
    if element.get("midi.bpm"):
        return number(element.get("midi.bpm"), place, "midi.bpm", 1, MAX_BPM)
    if element.get("midi.mspb"):
        most = _MICROSECONDS
        return _MICROSECONDS / number(element.get("midi.mspb"), place, "midi.mspb", 1, most)
    if element.get("mm"):
        per_minute = number(element.get("mm"), place, "mm", 1, MAX_BPM)
        unit = number(element.get("mm.unit", "4"), place, "mm.unit", 1, 128)
        dots = number(element.get("mm.dots", "0"), place, "mm.dots", 0, 3)
        return per_minute * 4 / unit * (2 - 0.5**dots)
    return None
