"""The tunes of an ABC file: which one is read, and what a reader of MusicXML would not know."""

import logging
import re
from pathlib import Path

from espnet2_ext.errors import UserError

_TUNE = re.compile(r"^X:[ \t]*([0-9]*)[^\n]*$", re.MULTILINE)
_KEY = re.compile(r"^K:", re.MULTILINE)
_ORDER = re.compile(r"^P:[ \t]*([A-Z0-9.() \t]+)", re.MULTILINE)
_INCLUDE = re.compile(r"^(?:%%|I:)[ \t]*abc-include\b.*$", re.MULTILINE)
_WORDS = re.compile(r'(?:^|\[)Q:[ \t]*("[^"\n\]]+")[ \t]*(?:%.*)?(?=$|\])', re.MULTILINE)


def tune_of(text: str, number: str | None, path: Path) -> str:
    """A tune, with what stands before all tunes.

    Args:
        text: The file.
        number: The tune's own (X:); None where there is one.
        path: The file, for errors.

    Raises:
        UserError: no tune, several and none named, or none of the number.
    """
    text, included = _INCLUDE.subn("%", text)
    if included:
        logging.warning("%s: %d files to include (abc-include) are not read", path, included)
    if not _KEY.search(text):
        raise UserError(path, "no tune (no K: field)", "an ABC file")
    found = list(_TUNE.finditer(text))
    if not found:
        text = f"X:1\n{text}"
        found = list(_TUNE.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    tunes = [(m[1], text[m.start() : end]) for m, end in zip(found, ends, strict=True)]
    before = text[: found[0].start()]
    if number is None:
        if len(tunes) > 1:
            expected = f"one: {path}#X, such as #{tunes[0][0]}"
            raise UserError(path, f"{len(tunes)} tunes", expected)
        return before + tunes[0][1]
    chosen = [tune for own, tune in tunes if own.lstrip("0") == number.lstrip("0")]
    if len(chosen) != 1:
        listed = ", ".join(own for own, _ in tunes[:20])
        raise UserError(path, f"{len(chosen)} tunes of the number {number!r}", listed, "X")
    return before + chosen[0]


def sung_in_another_order(tune: str) -> bool:
    """Whether the header's P: plays the parts in another order than they are written in."""
    header, _, body = tune.partition("\nK:")
    order = _ORDER.search(header)
    if order is None:
        return False
    played = re.findall("[A-Z0-9]", order[1])
    written = re.findall(r"(?:^|\[)P:[ \t]*([A-Z])", body, re.MULTILINE)
    return len(played) > 1 and played != written


def tempo_in_words(tune: str) -> list[str]:
    """The tempo marks (Q:) that have words and no number."""
    return _WORDS.findall(tune)
