"""Write a score in any format; the suffix says which."""

from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.suffixes import FORMATS, format_of
from espnet2_ext.score.music_score import MusicScore


def write_score(path: str | Path, score: MusicScore) -> list[str]:
    """Write a score.

    Args:
        path: A file of a format of `suffixes`; of formats with several utterances, ``path#ID``
            names the one (the file's stem by default).
        score: Any.

    Returns:
        list[str]: What the file does not hold, an item each; empty when nothing is lost.

    Raises:
        UserError: an unknown suffix, a format without a writer, or a score it cannot hold at all.
    """
    known, place, utt = format_of(path)
    if known.write is None:
        writable = ", ".join(f.suffixes[0] for f in FORMATS if f.write)
        raise UserError(path, f"{known.name} is only read", writable)
    return known.write(place, score, **({"utt": utt} if utt else {})) or []
