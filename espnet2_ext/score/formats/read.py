"""Read a score of any format; the suffix says which."""

from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.contents import check_not_empty, suffix_of_contents
from espnet2_ext.score.formats.suffixes import DIRECTORY, SUFFIXES, format_of
from espnet2_ext.score.music_score import MusicScore

__all__ = ["SUFFIXES", "read_score"]


def read_score(
    path: str | Path,
    part: str | int | None = None,
    voice: str | int | None = None,
    verse: int | None = None,
    lyrics: str | None = None,
    language: str | None = None,
    default_language: str | None = None,
    score: str | Path | None = None,
) -> MusicScore:
    """Read a score.

    Args:
        path: A file of a format of `suffixes`; of several utterances (.txt), ``path#ID`` is one.
        part: Part of MusicXML or MIDI, or track of a project: its name, or number from 1; the first
            with lyrics by default.
        voice: Voice of a MusicXML part; the first with lyrics by default.
        verse: Verse of MusicXML lyrics; 1 by default, or the n-th in the n-th pass of a repeat.
        lyrics: For MIDI without lyric events: hanzi or pinyin, ``-`` for a slur.
        language: ISO 639 code of the lyrics, one of `languages.LANGUAGES`; what the file says
            by default.
        default_language: Where neither `language` nor the file says it; zh by default.
        score: The score of a mono label; by default the one of its name beside it.

    Returns:
        MusicScore: Notes with phones; performed phones where the format has them.

    Raises:
        UserError: naming file and place of the first mistake.
    """
    known, place, utt = format_of(path)
    part, voice = (None if value is None else str(value) for value in (part, voice))
    options = {"part": part, "voice": voice, "verse": verse, "lyrics": lyrics}
    options |= {"language": language, "utt": utt, "score": score}
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in known.options:
            taken = ", ".join(o for o in known.options if o != "default_language") or "none"
            raise UserError(path, f"given for a {Path(place).suffix} file", taken, name)
    if default_language is not None and language is None:
        if "default_language" in known.options:
            given["default_language"] = default_language
        elif "language" in known.options:  # such a file does not say it
            given["language"] = default_language
    check_not_empty(place, f"{known.name}: a score")
    try:
        return known.read(place, **given)
    except UserError as error:
        suffix = suffix_of_contents(place)
        if suffix is None or suffix.lower() in known.suffixes or known is DIRECTORY:
            raise
        expected = f"{error.expected}; the file looks like a {suffix}: name it so"
        raise UserError(error.place, error.found, expected, error.field) from None
