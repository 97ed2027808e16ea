"""UTAU's UST: sections of ``Key=value`` lines, a note each, in ticks of 1/480 beat.

Rests are notes with the lyric R; AP is a breath. Read in UTF-8 or a legacy code page (Shift-JIS,
for Chinese GB 18030), written in UTF-8 with ``Charset=UTF-8``, which UTAU's successors read.
"""

import math
import re
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_bytes, write_text
from espnet2_ext.score.formats.aliases import lyric_of_alias
from espnet2_ext.score.formats.assemble import SungNote, assemble, cut_overlaps
from espnet2_ext.score.formats.code_pages import decode, encodings
from espnet2_ext.score.formats.losses import losses_of_file
from espnet2_ext.score.formats.sung_words import lyric_of
from espnet2_ext.score.formats.ticks import TempoMap, note_ticks
from espnet2_ext.score.music_score import BREATH, SILENCE, MusicScore

MAX_BYTES = 16 * 2**20
MAX_TICKS = 2**31
CONTINUATION = "+~"
_SECTION = re.compile(r"\[#(\w+)\]")
_NUMBER = re.compile(r"[+-]?[0-9]{1,12}(?:[.,][0-9]{0,12})?")
_LYRIC = re.compile(rb"^Lyric=([^\r\n]*)", re.MULTILINE)


def _decode(path: Path, language: str) -> str:
    data = read_bytes(path, MAX_BYTES)
    text = decode(data, encodings(_LYRIC.findall(data), language))
    if text is None:
        raise UserError(path, "neither UTF-8 nor a code page of UTAU's", "UTF-8 or Shift-JIS")
    return text


def _sections(text: str, path: Path) -> list[tuple[str, int, dict[str, str]]]:
    """(name, line, values) of each section, in order."""
    sections: list[tuple[str, int, dict[str, str]]] = []
    for number, line in enumerate(text.splitlines(), 1):
        header = _SECTION.fullmatch(line.strip())
        if header:
            sections.append((header[1], number, {}))
        elif sections and "=" in line:
            key, _, value = line.partition("=")
            sections[-1][2][key.strip()] = value.strip()
        elif line.strip() and not sections:
            raise UserError(f"{path}:{number}", f"{line[:40]!r}", "a section such as [#SETTING]")
    if not sections:
        raise UserError(path, "no sections", "a UST file")
    return sections


def _number(values: dict[str, str], key: str, place: str, low: float, high: float) -> float:
    """A number of a section; a decimal comma is UTAU's own."""
    text = values.get(key)
    match = _NUMBER.fullmatch(text or "")
    value = float(match[0].replace(",", ".")) if match else math.nan
    if not low <= value <= high:
        found = "missing" if text is None else repr(text[:40])
        raise UserError(place, found, f"a number from {low:g} to {high:g}", key)
    return value


def _place_note(values: dict[str, str], start: int, end: int, place: str) -> tuple[int, int]:
    """Start and end tick of a note after one from `start` to `end`."""
    if "Delta" in values and "Duration" in values:  # version 2: notes placed, rests implied
        begin = start + int(_number(values, "Delta", place, -MAX_TICKS, MAX_TICKS))
        return begin, begin + int(_number(values, "Duration", place, 1, MAX_TICKS))
    return end, end + int(_number(values, "Length", place, 1, MAX_TICKS))


def read_ust(path: str | Path, language: str = "zh") -> MusicScore:
    """Read a UST.

    Lyrics ``+``, ``+~``, ``-``, ``ー`` go on with the previous syllable (in English ``+`` with the
    next one of the word, where there is one); R is silence, AP breath (`aliases`). Tempo
    changes are honoured; the score's tempo is the one at its first sung note. Pitch bends,
    envelopes and flags have no place in a score.

    Args:
        path: UST of version 1 or 2.
        language: ISO 639 code of the lyrics.

    Raises:
        UserError: naming line and key of the first mistake.
    """
    path = Path(path)
    tempos: list[tuple[int, float]] = []
    rows: list[tuple[int, int, int, str, str]] = []  # start, end, midi, lyric, place
    start = end = 0
    for name, number, values in _sections(_decode(path, language), path):
        place = f"{path}:{number}: [#{name}]"
        if name == "SETTING" and values.get("Tempo"):
            tempos.append((0, _number(values, "Tempo", place, 1, 10_000)))
        if not name.isdecimal():
            continue
        start, end = _place_note(values, start, end, place)
        if values.get("Tempo"):
            tempos.append((start, _number(values, "Tempo", place, 1, 10_000)))
        lyric = values.get("Lyric", "").removeprefix("?")
        if not lyric:
            raise UserError(place, "empty", "a syllable, + to go on, or R for a rest", "Lyric")
        lyric = lyric_of_alias(lyric, language, place)
        midi = 0
        if lyric not in (SILENCE, BREATH):
            midi = int(_number(values, "NoteNum", place, 1, 127))
        rows.append((start, end, midi, lyric, place))
    if not rows:
        raise UserError(path, "no notes", "sections such as [#0000]")
    clock = TempoMap(tempos)
    sung = [SungNote(clock.seconds(a), clock.seconds(b), *rest) for a, b, *rest in rows]
    first = next((row[0] for row in rows if row[2]), 0)
    return assemble(cut_overlaps(sung, str(path)), str(path), clock.bpm_at(first), language)


def write_ust(path: str | Path, score: MusicScore) -> list[str]:
    """Write the notes of a score as UST version 1.2; times are off by at most half a tick.

    Returns:
        list[str]: What the file does not hold.
    """
    rows = note_ticks(score)
    lines = ["[#VERSION]", "UST Version1.2", "Charset=UTF-8"]
    lines += ["[#SETTING]", f"Tempo={score.tempo!r}", "Tracks=1", "Mode2=True"]
    notes = [(SILENCE, 0, rows[0][1])] if rows[0][1] else []
    for note, start, end in rows:
        lyric = CONTINUATION if note.slur else lyric_of(note)
        notes.append((lyric, note.midi, end - start))
    for index, (lyric, midi, length) in enumerate(notes):
        lines += [f"[#{index:04d}]", f"Length={length}"]
        lines += [f"Lyric={'R' if lyric == SILENCE else lyric}", f"NoteNum={midi or 60}"]
    write_text(path, "\r\n".join([*lines, "[#TRACKEND]", ""]))
    return losses_of_file(read_ust, path, score)
