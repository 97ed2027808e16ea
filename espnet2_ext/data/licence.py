"""The licence of a corpus, which goes with its data directories and with packs."""

from pathlib import Path

from espnet2_ext.files import LICENCE_FILE, read_text


def says_synthetic(licence: str | None) -> bool:
    """Whether a licence says that a machine made the recordings, as those of our corpora do."""
    return licence is not None and "synthetic" in licence.lower()


def is_synthetic(data_dir: str | Path) -> bool:
    """Whether the licence of a data directory, if it has one, says so."""
    path = Path(data_dir) / LICENCE_FILE
    return path.is_file() and says_synthetic(read_text(path))
