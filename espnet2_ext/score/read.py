"""Read a score of any format; the suffix says which."""

import functools
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.score.json_format import read_json_score
from espnet2_ext.score.midi import read_midi
from espnet2_ext.score.music_score import MusicScore
from espnet2_ext.score.musicxml import read_musicxml
from espnet2_ext.score.opencpop import read_transcriptions

SUFFIXES = (".musicxml", ".xml", ".mxl", ".mid", ".midi", ".json", ".txt")


def read_score(
    path: str | Path,
    part: str | int | None = None,
    voice: str | int | None = None,
    verse: int | None = None,
    lyrics: str | None = None,
    language: str | None = None,
) -> MusicScore:
    """Read a score.

    Args:
        path: MusicXML (.musicxml, .xml, .mxl), MIDI (.mid, .midi), our JSON (.json), or Opencpop
            lines (.txt, with ``#ID`` after it to pick a line).
        part: Part of MusicXML or MIDI: its name, or number from 1; the first with lyrics by
            default.
        voice: Voice of a MusicXML part; the first with lyrics by default.
        verse: Verse of MusicXML lyrics; 1 by default, or the n-th in the n-th pass of a repeat.
        lyrics: For MIDI without lyric events: hanzi or pinyin, ``-`` for a slur.
        language: ISO 639 code of the lyrics, one of `languages.LANGUAGES`; what the file says
            by default, zh where it does not.

    Returns:
        MusicScore: Notes with phones; performed phones where the format has them.

    Raises:
        UserError: naming file and place of the first mistake.
    """
    place, utt = str(path), None
    if ".txt#" in place and not Path(place).is_file():
        place, _, utt = place.partition(".txt#")
        place += ".txt"
    suffix = Path(place).suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(path, f"suffix {suffix!r}", ", ".join(SUFFIXES))
    options = {"part": part, "voice": voice, "verse": verse, "lyrics": lyrics}
    part, voice = (None if value is None else str(value) for value in (part, voice))
    readers = {
        ".json": (functools.partial(read_json_score, place, language), ()),
        ".txt": (functools.partial(_read_line, place, utt), ()),
    }
    midi = functools.partial(read_midi, place, part, lyrics, language or "zh"), ("part", "lyrics")
    xml = (
        functools.partial(read_musicxml, place, part, voice, verse, language or "zh"),
        ("part", "voice", "verse"),
    )
    readers |= dict.fromkeys((".mid", ".midi"), midi)
    readers |= dict.fromkeys((".musicxml", ".xml", ".mxl"), xml)
    read, taken = readers[suffix]
    for name, value in options.items():
        if value is not None and name not in taken:
            raise UserError(path, f"given for a {suffix} file", ", ".join(taken) or "none", name)
    return read()


def _read_line(path: str, utt: str | None) -> MusicScore:
    scores = read_transcriptions(path)
    if utt is None and len(scores) > 1:
        raise UserError(path, f"{len(scores)} lines", f"{path}#ID, as #{next(iter(scores))}")
    if utt is not None and utt not in scores:
        raise UserError(path, f"no line {utt!r}", "an id of the file")
    return scores[utt] if utt is not None else next(iter(scores.values()))
