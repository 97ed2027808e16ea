"""Tempo marks of MusicXML that are drawn: metronome marks, text with notes, equal notes."""

import logging
import math
import re
from fractions import Fraction
from xml.etree.ElementTree import Element

_BEATS = {
    "long": 16, "breve": 8, "whole": 4, "half": 2, "quarter": 1, "eighth": Fraction(1, 2),
    "16th": Fraction(1, 4), "32nd": Fraction(1, 8), "64th": Fraction(1, 16),
}  # fmt: skip
_SYMBOLS = {
    "\U0001d15e": "half", "\ueca3": "half", "\u2669": "quarter", "\U0001d15f": "quarter",
    "\ueca5": "quarter", "\u266a": "eighth", "\U0001d160": "eighth", "\ueca7": "eighth",
}  # fmt: skip
_PER_MINUTE = re.compile(
    r"[0-9]{1,4}(?:\.[0-9]{1,6})?(?:\s*(?:[-\u2013\u2014/]|to|bis)\s*[0-9]{1,4}(?:\.[0-9]{1,6})?)?"
)
_FAR = math.log(1.1)
_SYMBOL = rf"([{''.join(_SYMBOLS)}])\s*([.\u00b7\uecb7]?)"
_TEMPO_WORDS = re.compile(rf"{_SYMBOL}\s*[=\u2248]([^=]*)")
_RELATION_WORDS = re.compile(rf"{_SYMBOL}\s*[=\u2248]\s*{_SYMBOL}")


def _per_minute(text: str) -> float | None:
    """The number of a metronome mark: `c. 60` is 60, `60-66` the middle."""
    match = _PER_MINUTE.search(text)
    ends = [float(number) for number in re.findall(r"[0-9.]+", match[0])] if match else []
    return sum(ends) / len(ends) if ends else None


def tempo_mark(direction: Element, place: str) -> float | None:
    """Quarters per minute of the mark that is drawn, with a warning where it is not read."""
    metronome = direction.find("direction-type/metronome")
    if metronome is None:
        return _tempo_in_words(direction)
    bpm = _bpm(metronome)
    if bpm is None:
        names = " = ".join(unit.text or "" for unit in metronome.iter("beat-unit"))
        found = (metronome.findtext("per-minute") or "").strip() or names
        logging.warning("%s: a metronome mark %r is not read, the tempo stays", place, found)
    return bpm


def warn_of_another_tempo(direction: Element, bpm: float, place: str) -> None:
    """Say where the mark that is drawn is far from the tempo that the file is played at."""
    metronome = direction.find("direction-type/metronome")
    drawn = _bpm(metronome) if metronome is not None else None
    if drawn and abs(math.log(drawn / bpm)) > _FAR:
        found = f"a metronome mark of {drawn:g} quarters a minute is played at {bpm:g}"
        logging.warning("%s: %s", place, found)


def _bpm(metronome: Element) -> float | None:
    """Quarters per minute of a note and a number."""
    units = _units(metronome)
    per_minute = _per_minute((metronome.findtext("per-minute") or "").strip())
    if not per_minute or len(units) != 1 or units[0] is None:
        return None
    return per_minute * float(units[0])


def tempo_relation(direction: Element) -> tuple[Fraction, Fraction] | None:
    """The quarters of the two notes that a mark such as `quarter = dotted quarter` makes equal."""
    metronome = direction.find("direction-type/metronome")
    if metronome is not None:
        equal = metronome.findtext("metronome-relation", "equals").strip() == "equals"
        left, right = (*_units(metronome), None, None)[:2]
        is_mark = equal and metronome.find("per-minute") is None and len(_units(metronome)) == 2
        return (left, right) if is_mark and left and right else None
    match = _RELATION_WORDS.search(_words(direction))
    if match is None:
        return None
    left, right = (_quarters(_SYMBOLS[match[i]], int(bool(match[i + 1]))) for i in (1, 3))
    return (left, right) if left and right else None


def _units(metronome: Element) -> list[Fraction | None]:
    """The quarters of the notes of a mark, None for one that is not known or not alone."""
    found: list[tuple[str, int]] = []
    for element in metronome:
        if element.tag == "beat-unit":
            found.append(((element.text or "").strip(), 0))
        elif element.tag == "beat-unit-dot" and found:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        elif element.tag == "metronome-note":
            plain = element.find("metronome-tuplet") is None
            name = (element.findtext("metronome-type") or "").strip() if plain else ""
            found.append((name, len(element.findall("metronome-dot"))))
    return [_quarters(name, dots) for name, dots in found]


def _quarters(name: str, dots: int) -> Fraction | None:
    if name not in _BEATS:
        return None
    return Fraction(_BEATS[name]) * (2 - Fraction(1, 2 ** min(dots, 3)))


def _words(direction: Element) -> str:
    return " ".join(words.text or "" for words in direction.iter("words"))


def _tempo_in_words(direction: Element) -> float | None:
    """Quarters per minute where the mark is text, a note's symbol and a number."""
    match = _TEMPO_WORDS.search(_words(direction))
    per_minute = _per_minute(match[3]) if match else None
    if not match or not per_minute:
        return None
    dotted = 1.5 if match[2] else 1.0
    return per_minute * float(_BEATS[_SYMBOLS[match[1]]]) * dotted
