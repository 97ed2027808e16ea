"""Lines of mono labels: the start and end of a phone, and its name, without its note.

Times are whole numbers of 100 ns, as HTK has them, or seconds with a decimal point, as Audacity
exports them.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_text
from espnet2_ext.score.formats.hts_lines import MAX_BYTES, UNITS_PER_SEC

MAX_GAP_SEC = 1.001e-3
MAX_SEC = 36_000
MIN_SEC = 0.01
_TIME = re.compile(r"[0-9]{1,15}(\.[0-9]{0,15})?")
_NAME = re.compile(r"[^\s/^@]{1,20}")
_EXPECTED = "start, end and phone: 100 ns as whole numbers, or seconds with a decimal point"


@dataclass(frozen=True)
class MonoLine:
    """A phone of a mono label: its times (s), its name as written, and its place for errors."""

    start_sec: float
    end_sec: float
    phone: str
    place: str


def is_mono(path: str | Path) -> bool:
    """Whether the first line of a label names a phone alone, without its context."""
    first = next((line for line in read_text(path, MAX_BYTES).split("\n") if line.strip()), "")
    items = first.split()
    times = len(items) == 3 and all(_TIME.fullmatch(item) for item in items[:2])
    return times and _NAME.fullmatch(items[2]) is not None


def read_mono(path: str | Path) -> list[MonoLine]:
    """The lines of a mono label, without gaps.

    Raises:
        UserError: naming the first line that is none, ends before it starts, or does not start
            where the one before ends; or times that cannot be in the unit that they are written in.
    """
    rows: list[tuple[str, str, str, str]] = []
    for number, line in enumerate(read_text(path, MAX_BYTES).split("\n"), 1):
        items = line.split()
        if not items:
            continue
        place = f"{path}:{number}"
        times = len(items) == 3 and all(_TIME.fullmatch(item) for item in items[:2])
        if not times or not _NAME.fullmatch(items[2]):
            raise UserError(place, repr(line.strip()[:60]), _EXPECTED)
        rows.append((items[0], items[1], items[2], place))
    if not rows:
        raise UserError(path, "no lines", "a mono label")
    in_seconds = any("." in start + end for start, end, _, _ in rows)
    unit = 1.0 if in_seconds else UNITS_PER_SEC
    lines = [MonoLine(float(s) / unit, float(e) / unit, name, place) for s, e, name, place in rows]
    _check(lines, in_seconds)
    return lines


def _check(lines: list[MonoLine], in_seconds: bool) -> None:
    last = lines[-1]
    if not MIN_SEC <= last.end_sec <= MAX_SEC:
        unit = "seconds" if in_seconds else "units of 100 ns"
        raise UserError(last.place, f"ends at {last.end_sec:g} s, read in {unit}", _EXPECTED)
    end = lines[0].start_sec
    for line in lines:
        if line.end_sec < line.start_sec:
            found = f"ends at {line.end_sec:.4f} s, starts at {line.start_sec:.4f} s"
            raise UserError(line.place, found, "an end after the start")
        if abs(line.start_sec - end) > MAX_GAP_SEC:
            found = f"starts at {line.start_sec:.4f} s, the line before ends at {end:.4f} s"
            raise UserError(line.place, found, "phones without gaps, silence as pau")
        end = line.end_sec
