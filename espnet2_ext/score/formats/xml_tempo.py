"""Tempo marks of MusicXML that are drawn: metronome marks, and text with a note's symbol."""

import logging
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
_TEMPO_WORDS = re.compile(rf"([{''.join(_SYMBOLS)}])\s*([.\u00b7\uecb7]?)\s*[=\u2248]([^=]*)")


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
    text = (metronome.findtext("per-minute") or "").strip()
    units = [(unit.text or "").strip() for unit in metronome.findall("beat-unit")]
    beat = _BEATS.get(units[0] if units else "quarter")
    per_minute = _per_minute(text)
    if not per_minute or beat is None or len(units) > 1:
        found = text or " = ".join(units)
        logging.warning("%s: a metronome mark %r is not read, the tempo stays", place, found)
        return None
    dots = len(metronome.findall("beat-unit-dot"))
    return per_minute * float(beat * (2 - Fraction(1, 2 ** min(dots, 3))))


def _tempo_in_words(direction: Element) -> float | None:
    """Quarters per minute where the mark is text, a note's symbol and a number."""
    text = " ".join(words.text or "" for words in direction.iter("words"))
    match = _TEMPO_WORDS.search(text)
    per_minute = _per_minute(match[3]) if match else None
    if not match or not per_minute:
        return None
    dotted = 1.5 if match[2] else 1.0
    return per_minute * float(_BEATS[_SYMBOLS[match[1]]]) * dotted
