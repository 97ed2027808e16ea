"""Lists of utterances."""

from pathlib import Path


def read_ids(path: Path) -> list[str]:
    """First words of a file's lines."""
    from espnet2_ext.files import read_text

    return [line.split()[0] for line in read_text(path).split("\n") if line.strip()]
