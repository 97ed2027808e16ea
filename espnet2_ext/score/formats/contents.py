"""What a file holds, whatever its suffix: a hint for files that are named after another format."""

import contextlib
from pathlib import Path

from espnet2_ext.errors import UserError

_PEEK = 4096
_SIGNS = (  # what a file begins with, and the suffix that says so
    (b"MThd", ".mid"),
    (b"[#VERSION]", ".ust"),
    (b"[#SETTING]", ".ust"),
    (b"%PDF", ".pdf"),
    (b"RIFF", ".wav"),
    (b"fLaC", ".flac"),
    (b"TSSolution\0", ".tssln"),
)
_WITHIN = (
    (b"<score-partwise", ".musicxml"),
    (b"<score-timewise", ".musicxml"),
    (b"META-INF/container.xml", ".mxl"),
    (b"Project/sequence.json", ".vpr"),
    (b"<vsq3", ".vsqx"),
    (b"<vsq4", ".vsqx"),
    (b"<museScore", ".mscx"),
    (b".mscx", ".mscz"),
    (b"http://www.music-encoding.org/ns/mei", ".mei"),
    (b"**kern", ".krn"),
    (b"ustx_version", ".ustx"),
    (b"ooTextFile", ".TextGrid"),
    (b'"tpqn"', ".vvproj"),
)


def suffix_of_contents(path: str | Path) -> str | None:
    """The suffix that a file's first bytes speak for; None where they say nothing."""
    start = b""
    with contextlib.suppress(OSError, ValueError), open(path, "rb") as file:
        start = file.read(_PEEK)
    bare = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    found = next((suffix for sign, suffix in _SIGNS if bare.startswith(sign)), None)
    return found or next((suffix for sign, suffix in _WITHIN if sign in start), None)


def check_not_empty(path: str | Path, expected: str) -> None:
    """Raise `UserError` where a file is there and holds nothing."""
    place = Path(path)
    with contextlib.suppress(OSError, ValueError):  # which its reader will name
        if place.is_file() and place.stat().st_size == 0:
            raise UserError(path, "an empty file", expected)
