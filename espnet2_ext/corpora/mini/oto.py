"""UTAU's ``oto.ini``: which stretch of which recording an alias names, and what is where in it.

A line is ``file.wav=alias,offset,consonant,cutoff,preutterance,overlap``, numbers in milliseconds
(https://utau.fandom.com/wiki/Oto.ini). All but the cutoff count from the offset; a negative cutoff
does too, any other counts back from the end of the file.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from espnet2_ext.corpora.preparer import Rejects
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_bytes
from espnet2_ext.score.formats.code_pages import decode

NAME = "oto.ini"
MAX_BYTES = 16 * 2**20
_FIELDS = ("offset", "consonant", "cutoff", "preutterance", "overlap")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,9}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][+-]?[0-9]{1,2})?")
_MOST_MS = 1e7
_FORM = "file.wav=alias,offset,consonant,cutoff,preutterance,overlap"


@dataclass(frozen=True, slots=True)
class OtoLine:
    """A line of an ``oto.ini``.

    Args:
        place: ``file:line``, for errors.
        wav: Name of the recording, below the folder of the file.
        alias: What the stretch sings; the recording's name where the line has none.
        offset_sec: Where the stretch begins in the recording (s).
        consonant_sec: How much of it is never stretched (s from the offset).
        cutoff_sec: Above or at 0: what is left out at the end of the recording; below: where the
            stretch ends, s from the offset.
        preutterance_sec: What is sung before the beat (s from the offset).
        overlap_sec: Up to where the sample before may still be heard (s from the offset).
    """

    place: str
    wav: str
    alias: str
    offset_sec: float
    consonant_sec: float
    cutoff_sec: float
    preutterance_sec: float
    overlap_sec: float

    def end_sec(self, length_sec: float) -> float:
        """Where the stretch ends in a recording of so many seconds."""
        if self.cutoff_sec < 0:
            return self.offset_sec - self.cutoff_sec
        return length_sec - self.cutoff_sec


def read_legacy_text(path: Path, max_bytes: int) -> str:
    """Text in UTF-8 or Shift-JIS, which such files do not say; `UserError` where it is neither."""
    text = decode(read_bytes(path, max_bytes), ("utf-8-sig", "cp932"))
    if text is None:
        raise UserError(path, "neither UTF-8 nor Shift-JIS", "text in one of them")
    return text


def read_oto(path: Path, rejects: Rejects) -> Iterator[OtoLine]:
    """The good lines of a file; `rejects` takes the others.

    Raises:
        UserError: the file cannot be read.
    """
    for number, line in enumerate(read_legacy_text(path, MAX_BYTES).splitlines(), 1):
        if line.strip():
            read = rejects.take(_read_line, line.strip(), f"{path}:{number}")
            if read is not None:
                yield read


def _read_line(line: str, place: str) -> OtoLine:
    wav, sign, values = line.partition("=")
    fields = values.split(",")
    if not sign or not wav.strip() or len(fields) != len(_FIELDS) + 1:
        raise UserError(place, f"{line[:60]!r}", _FORM)
    alias, *texts = (field.strip() for field in fields)
    seconds = [_milliseconds(text, name, place) for text, name in zip(texts, _FIELDS, strict=True)]
    stem = wav.strip().replace("\\", "/")
    return OtoLine(place, stem, alias or Path(stem).stem, *seconds)


def _milliseconds(text: str, name: str, place: str) -> float:
    """Seconds of a field in milliseconds; an empty one is 0, as for UTAU."""
    value = 0.0
    if text:
        value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not abs(value) <= _MOST_MS:
        raise UserError(place, repr(text[:40]), "milliseconds", name)
    return value / 1000
