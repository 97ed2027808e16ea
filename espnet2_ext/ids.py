"""Ids of utterances, singers, sets and systems: one word each, as files are named after them."""

import re
from pathlib import Path

from espnet2_ext.errors import UserError

MAX_BYTES = 240
"""File systems take names of 255 bytes; an id gets an ending such as ``.json``."""

_NOT_IN_A_NAME = re.compile(r"[\x00-\x20\x7f/]|\s")
_SHOWN = 60


def check_id(name: str, place: str | Path, field: str = "id") -> str:
    """The id, if it can be a file's name.

    Ids come with the data. One such as ``../../x`` would have audio written over a file elsewhere.

    Args:
        name: The id.
        place: Where it stands, for the message.
        field: What it is, for the message.

    Raises:
        UserError: it is empty, has a slash, a space or a control character, is too long, or names
            a folder (``.``, ``..``).
    """
    size = len(name.encode(errors="replace"))
    if not name or name in (".", "..") or _NOT_IN_A_NAME.search(name):
        found, expected = repr(name[:_SHOWN]), "one word without '/'"
    elif size > MAX_BYTES:
        found, expected = f"{name[:_SHOWN]!r}... of {size} bytes", f"at most {MAX_BYTES}"
    else:
        return name
    raise UserError(place, found, f"{expected}: files are named after it", field)
