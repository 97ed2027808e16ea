"""Write a score in any format; the suffix says which."""

from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.suffixes import FORMATS, Format, format_of
from espnet2_ext.score.formats.sung_words import with_sung_lyrics
from espnet2_ext.score.music_score import MusicScore


def require_writer(known: Format, path: str | Path) -> None:
    """Refuse a format that is only read; raises `UserError`."""
    if known.write is None:
        writable = ", ".join(f.suffixes[0] for f in FORMATS if f.write and f.suffixes)
        raise UserError(path, f"{known.name} is only read", writable)


def write_score(path: str | Path, score: MusicScore) -> list[str]:
    """Write a score.

    In a format without phones a lyric that is not read as it is sung becomes its phones (pinyin).

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
    require_writer(known, path)
    written = score if "phones" in known.holds else with_sung_lyrics(score)
    lost = known.write(place, written, **({"utt": utt} if utt else {})) or []
    pairs = zip(score.notes, written.notes, strict=True)
    other = [(a.lyric, b.lyric) for a, b in pairs if a.lyric != b.lyric]
    if other:
        first, sung = other[0]
        lost.append(f"lyrics: {len(other)} written as sung, first {first!r} as {sung!r}")
    return lost
