"""Whose folder it is: a corpus that is made states its options, and is continued by them alone."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json, remove_parts, write_json
from espnet2_ext.lock import NAME as LOCK

OPTIONS = "corpus.json"
DONE = ".done"  # of a whole corpus


def claim(out: Path, wanted: Mapping[str, Any], corpus: str) -> bool:
    """Mark `out` as ours, which nobody else writes now; False if the corpus is complete there.

    Args:
        out: The folder, which is held.
        wanted: The options that the corpus is made with.
        corpus: Its kind.

    Raises:
        UserError: `out` holds a corpus of other options, or files of something else.
    """
    mark = out / OPTIONS
    if mark.exists():
        found = read_json(mark)
        if found != wanted:
            stated = found if isinstance(found, dict) else {}
            differ = [k for k in {**wanted, **stated} if stated.get(k) != wanted.get(k)]
            raise UserError(
                mark,
                f"a corpus made with another {', '.join(differ)}",
                "the same options, or another --out",
            )
        remove_parts(out)
        return not (out / DONE).exists()
    if any(path.name != LOCK for path in out.iterdir()):
        raise UserError(out, f"exists and is not a {corpus} corpus", "a new or empty directory")
    write_json(mark, wanted)
    return True
