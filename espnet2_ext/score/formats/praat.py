"""Praat's TextGrid files: tiers of intervals, in the long and the short format.

Praat reads a text file as a stream of free-standing numbers, quoted strings and <flags>, and skips
the rest, so that one reader takes both formats.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_bytes, write_text

MAX_BYTES = 64 * 2**20
_TOKEN = re.compile(
    r'"(?P<text>(?:[^"]|"")*)"'
    r"|<(?P<flag>\w+)>"
    r"|(?<!\S)(?P<number>[-+]?[0-9]{1,12}(?:\.[0-9]{0,40})?(?:[eE][-+]?[0-9]{1,2})?)(?!\S)"
    r'|(?P<open>")|(?P<comment>!.*)'
)
# Older versions of Praat call the short format so; newer ones know it by its lack of names.
_HEADER = (("File type", "ooTextFile", "ooTextFile short"), ("Object class", "TextGrid"))
_ENCODINGS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"", "utf-8-sig"))


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of a tier: its time (s) and label."""

    start_sec: float
    end_sec: float
    text: str


class _Tokens:
    def __init__(self, text: str, path: Path) -> None:
        self._text, self._path = text, path
        self._matches = (m for m in _TOKEN.finditer(text) if m.lastgroup != "comment")

    def place(self, match: re.Match[str] | None) -> str:
        end = len(self._text) if match is None else match.start()
        return f"{self._path}:{self._text.count(chr(10), 0, end) + 1}"

    def take(self, kind: str, field: str) -> tuple[str, re.Match[str]]:
        match = next(self._matches, None)
        if match is None or match.lastgroup != kind:
            found = "the file ends" if match is None else f"{match[0]!r:.40}"
            expected = {"text": "a quoted text", "flag": "<exists>"}.get(kind, f"a {kind}")
            raise UserError(self.place(match), found, expected, field)
        return match[kind], match

    def text(self, field: str) -> str:
        return self.take("text", field)[0].replace('""', '"')

    def number(self, field: str, low: float = 0.0, high: float = 1e6) -> float:
        found, match = self.take("number", field)
        if not low <= float(found) <= high:
            raise UserError(self.place(match), found, f"{low:g} to {high:g}", field)
        return float(found)

    def count(self, field: str) -> int:
        return int(self.number(field))


def _decode(path: Path) -> str:
    data = read_bytes(path, MAX_BYTES)
    encoding = next(name for mark, name in _ENCODINGS if data.startswith(mark))
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise UserError(path, f"bytes that are not {encoding}", "UTF-8 or UTF-16") from None


def read_textgrid_tiers(path: str | Path) -> dict[str, list[Interval]]:
    """Interval tiers by name, in order; point tiers are left out.

    Raises:
        UserError: naming the line of the first mistake: another kind of file, a broken or short
            one, intervals that go back in time, two tiers of one name.
    """
    path = Path(path)
    tokens = _Tokens(_decode(path), path)
    for field, *known in _HEADER:
        found = tokens.text(field)
        if found not in known:
            raise UserError(f"{path}:1", f"{found!r:.40}", repr(known[0]), field)
    tokens.number("xmin"), tokens.number("xmax")
    flag, match = tokens.take("flag", "tiers?")
    if flag != "exists":
        raise UserError(tokens.place(match), f"<{flag}>", "<exists>", "tiers?")
    tiers: dict[str, list[Interval]] = {}
    for _ in range(tokens.count("size")):
        kind, name = tokens.text("class"), tokens.text("name")
        tokens.number("xmin"), tokens.number("xmax")
        if kind == "TextTier":
            for _ in range(tokens.count("points")):
                tokens.number("number"), tokens.text("mark")
            continue
        if kind != "IntervalTier":
            raise UserError(path, f"{kind!r:.40}", "IntervalTier or TextTier", "class")
        if name in tiers:
            raise UserError(path, f"two tiers {name!r}", "each name once", "name")
        tiers[name] = _intervals(tokens, name)
    return tiers


def _intervals(tokens: _Tokens, tier: str) -> list[Interval]:
    intervals: list[Interval] = []
    for _ in range(tokens.count(f"{tier}: intervals")):
        low = intervals[-1].end_sec if intervals else 0.0
        start = tokens.number(f"{tier}: xmin", low - 1e-6)
        end = tokens.number(f"{tier}: xmax", start)
        intervals.append(Interval(start, end, tokens.text(f"{tier}: text")))
    return intervals


def write_textgrid_tiers(path: str | Path, tiers: Sequence[tuple[str, Iterable[Interval]]]) -> None:
    """Write interval tiers in the long format, UTF-8; gaps become empty intervals."""
    listed = [(name, list(intervals)) for name, intervals in tiers]
    end = max((i.end_sec for _, intervals in listed for i in intervals), default=0.0)
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""]
    lines += [
        "xmin = 0",
        f"xmax = {end:.6f}",
        "tiers? <exists>",
        f"size = {len(listed)}",
        "item []:",
    ]
    for number, (name, intervals) in enumerate(listed, 1):
        filled = _filled(intervals, end)
        lines += [f"    item [{number}]:", '        class = "IntervalTier"']
        lines += [f'        name = "{name}"', "        xmin = 0", f"        xmax = {end:.6f}"]
        lines += [f"        intervals: size = {len(filled)}"]
        for index, interval in enumerate(filled, 1):
            text = interval.text.replace('"', '""')
            lines += [
                f"        intervals [{index}]:",
                f"            xmin = {interval.start_sec:.6f}",
            ]
            lines += [f"            xmax = {interval.end_sec:.6f}", f'            text = "{text}"']
    write_text(path, "\n".join([*lines, ""]))


def _filled(intervals: list[Interval], end_sec: float) -> list[Interval]:
    filled: list[Interval] = []
    last = 0.0
    for interval in [*intervals, Interval(end_sec, end_sec, "")]:
        if interval.start_sec - last > 5e-7:
            filled.append(Interval(last, interval.start_sec, ""))
        filled.append(interval)
        last = interval.end_sec
    return filled[:-1]
