"""Folders that were copied or moved: their tables name files by whole paths, of where they were.

A folder's ``.place`` holds the path under which its tables were written.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_text, write_text

PLACE = ".place"
TABLES = ("*.scp", "prompts.json", "data.json", "systems*.tsv")


@dataclass(frozen=True)
class Move:
    """A folder that was at `old` and is at `new` now."""

    old: Path
    new: Path


def moves_of(folders: Sequence[str | Path]) -> list[Move]:
    """Which of `folders` are not where their tables were written; innermost first.

    What lies beside such a folder may have come with it (a corpus in ``downloads/`` beside
    ``data/``), so its parent counts as moved too.
    """
    moves: dict[Path, Path] = {}
    for folder in map(Path, folders):
        if not (folder / PLACE).is_file():
            continue
        old, new = Path(read_text(folder / PLACE).strip()), folder.resolve()
        if old != new:
            moves[old] = new
            if old.name == new.name:
                moves.setdefault(old.parent, new.parent)
    by_depth = sorted(moves.items(), key=lambda move: -len(move[0].parts))
    return [Move(old, new) for old, new in by_depth]


def relocate(folders: Sequence[str | Path]) -> int:
    """Have the tables of copied or moved folders name what came along with them.

    Args:
        folders: Folders of one recipe, such as data, dump and exp.

    Returns:
        The number of tables that were changed.

    Raises:
        UserError: a table cannot be written.
    """
    moves = moves_of(folders)
    if not moves:
        return 0
    changed = 0
    for folder in map(Path, folders):
        for pattern in TABLES:
            for table in sorted(folder.rglob(pattern)):
                was = read_text(table)
                text = _moved(was, moves)
                if text != was:
                    try:
                        write_text(table, text)
                    except OSError as error:
                        found = f"{error.strerror}; it names files of where it was"
                        raise UserError(table, found, "a table that can be written") from None
                    changed += 1
    # Last: whoever is interrupted begins again.
    for folder in map(Path, folders):
        if (folder / PLACE).is_file():
            write_text(folder / PLACE, f"{folder.resolve()}\n")
    return changed


def _moved(text: str, moves: Sequence[Move]) -> str:
    for move in moves:
        # A path begins a word, or a string of JSON, and ends with the line, the string, or an
        # ark's offset.
        path = re.compile(rf'(?<![^\s"]){re.escape(str(move.old))}(/[^\n"\t]*)')
        text = path.sub(lambda match, new=move.new: _here(match, new), text)
    return text


def _here(match: re.Match[str], new: Path) -> str:
    here = f"{new}{match[1]}"
    return here if Path(re.sub(r":\d+$", "", here)).exists() else match[0]
