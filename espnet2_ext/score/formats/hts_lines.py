"""Lines of HTS labels of singing: a time in 100 ns, and a phone in the context of its note.

The context is Sinsy's, from HTS's demonstration of singing; NNSVS and NEUTRINO have it too. Its
phone is in p3; the note's pitch, tempo, length and slur are in e1, e5, e8 and e26.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_text

MAX_BYTES = 64 * 2**20
UNITS_PER_SEC = 10_000_000
BREATH_SHARE = 0.25
"""Of a note that a breath ends, where the label gives both the note's times."""
_PHONE = re.compile(r"[^@]*@[^^]*\^[^-]*-(?P<phone>[^+]+)\+")
_NOTE = re.compile(
    r"(?P<pitch>[^\]]*)\][^^]*\^[^=]*=[^~]*~(?P<tempo>[^!]*)![^@]*@[^#]*#(?P<length>[^+]*)\+"
    r"[^|]*\|[^|]*\|(?P<slur>[^\]]*)\]"
)
_LANGUAGE = re.compile(r"/[BC]:[^/]*@([A-Z]{3})[|&]")
_LANGUAGES = {"JPN": "ja", "ENG": "en", "MAN": "zh", "CHN": "zh"}
_PITCH = re.compile(r"([A-G])([b#]?)(-?[0-9])")
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{0,9})?")
_TIME = re.compile(r"-1|[0-9]{1,15}")


@dataclass(frozen=True)
class LabelLine:
    """A phone of a full-context label.

    Args:
        start_sec: Its start (s); None where the label leaves it open.
        end_sec: Its end (s); None likewise.
        phone: As written.
        note: What the label says of its note, alike in all lines of one note.
        midi: MIDI number of the note; 0 in a rest.
        tempo: Beats per minute; None where it is not said.
        beats: Length of the note in quarters; None likewise.
        slur: Whether the note is slurred to the one before.
        language: ISO 639 code, if it is said.
        place: For errors.
    """

    start_sec: float | None
    end_sec: float | None
    phone: str
    note: str
    midi: int
    tempo: float | None
    beats: float | None
    slur: bool
    language: str | None
    place: str


def read_lines(path: Path) -> list[LabelLine]:
    """The lines of a label.

    Raises:
        UserError: naming the first line that is no full-context line of singing.
    """
    lines = []
    for number, line in enumerate(read_text(path, MAX_BYTES).split("\n"), 1):
        if line.strip():
            lines.append(_line(line.split(), f"{path}:{number}"))
    if not lines:
        raise UserError(path, "no lines", "an HTS full-context label")
    return lines


def without_times_of_notes(lines: Sequence[LabelLine], rests: Sequence[bool]) -> list[LabelLine]:
    """The lines with times left open where each phone of a note has the times of the whole note.

    So NEUTRINO writes the label of a score. A breath that ends such a note gets `BREATH_SHARE` of
    it.

    Args:
        lines: Of a label.
        rests: For each line whether it is a silence or a breath.
    """
    left: list[LabelLine] = []
    position = 0
    for _, group in itertools.groupby(
        lines, lambda line: (line.note, line.start_sec, line.end_sec)
    ):
        run = list(group)
        resting = rests[position : position + len(run)]
        position += len(run)
        start, end = run[0].start_sec, run[-1].end_sec
        if len(run) == 1 or start is None or end is None or all(resting):
            left += run
            continue
        n_sung = len(run) - 1 if resting[-1] else len(run)
        sung_end = end - (end - start) * BREATH_SHARE if resting[-1] else end
        for index, line in enumerate(run[:n_sung]):
            first, last = index == 0, index == n_sung - 1
            times = (start if first else None, sung_end if last else None)
            left.append(replace(line, start_sec=times[0], end_sec=times[1]))
        left += [replace(line, start_sec=sung_end, end_sec=end) for line in run[n_sung:]]
    return left


def _line(items: list[str], place: str) -> LabelLine:
    if len(items) != 3 or not all(_TIME.fullmatch(item) for item in items[:2]):
        found = repr(" ".join(items)[:60])
        raise UserError(place, found, "start, end (100 ns, or -1) and a phone in its context")
    context = items[2]
    phone = _PHONE.match(context)
    if phone is None:
        found = f"a phone {context[:20]!r} without its note (a mono label)"
        raise UserError(
            place, found, "full-context lines, or the MusicXML, MIDI or UST of the song"
        )
    note = context.partition("/E:")[2].partition("/F:")[0]
    values = _NOTE.match(note)
    if values is None:
        raise UserError(place, "a context without a note", "Sinsy's, with pitch and length in /E:")
    start, end = (None if t == "-1" else int(t) / UNITS_PER_SEC for t in items[:2])
    language = _LANGUAGE.search(context)
    length = _decimal(values["length"])
    return LabelLine(
        start,
        end,
        phone["phone"],
        note,
        _midi(values["pitch"], place),
        _decimal(values["tempo"]) or None,
        length and length / 24,  # in 1/96 of a whole note
        values["slur"] == "1",
        _LANGUAGES.get(language[1]) if language else None,
        place,
    )


def _decimal(text: str) -> float | None:
    return float(text) if _DECIMAL.fullmatch(text) else None


def _midi(pitch: str, place: str) -> int:
    """MIDI number of a pitch such as Db4, where C4 is 60; 0 for xx."""
    if pitch == "xx":
        return 0
    match = _PITCH.fullmatch(pitch)
    if match is None:
        raise UserError(place, repr(pitch), "a pitch such as Db4, or xx", "e1")
    step, accidental, octave = match.groups()
    midi = 12 * (int(octave) + 1) + _STEPS[step] + {"": 0, "#": 1, "b": -1}[accidental]
    if not 1 <= midi <= 127:
        raise UserError(place, repr(pitch), "a pitch of MIDI 1-127", "e1")
    return midi
