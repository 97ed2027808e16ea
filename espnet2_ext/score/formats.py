"""The formats of scores: which suffix is read and written by what, and with which options."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.score.ds import read_ds, write_ds
from espnet2_ext.score.json_format import read_json_score, write_json_score
from espnet2_ext.score.midi import read_midi, write_midi
from espnet2_ext.score.music_score import MusicScore
from espnet2_ext.score.musicxml import read_musicxml
from espnet2_ext.score.opencpop import read_transcription, write_transcription
from espnet2_ext.score.textgrid import read_textgrid, write_textgrid
from espnet2_ext.score.ust import read_ust, write_ust
from espnet2_ext.score.ustx import read_ustx, write_ustx
from espnet2_ext.score.xml_writer import write_musicxml


@dataclass(frozen=True)
class Format:
    """A format of scores.

    Args:
        name: As documents call it.
        suffixes: Lower case, with their dot.
        read: Takes the path, and by name those of `options` that are given.
        write: Takes path and score, returns what the file lost; None where there is no writer.
        holds: What of a score `write` can put there beside notes, slurs and lyrics: language,
            tempo, breaths (apart from silence), phones (instead of deriving them from the lyrics),
            phone times, slur times (where a vowel goes on to the next note apart from where that
            note begins), seconds (to the microsecond; otherwise times are rounded to ticks).
        options: What `read` can be told: part, voice, verse, lyrics, language, utt.
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[..., MusicScore]
    write: Callable[..., list[str]] | None = None
    holds: frozenset[str] = frozenset()
    options: tuple[str, ...] = ("language",)


_ALL = frozenset(("language", "tempo", "breaths", "phones", "phone times", "slur times", "seconds"))
_TICKS = frozenset(("tempo", "breaths"))

FORMATS = (
    Format(
        "MusicXML",
        (".musicxml", ".xml", ".mxl"),
        read_musicxml,
        write_musicxml,
        _TICKS | {"language"},
        options=("part", "voice", "verse", "language"),
    ),
    Format(
        "MIDI",
        (".mid", ".midi"),
        read_midi,
        write_midi,
        frozenset(),
        options=("part", "lyrics", "language"),
    ),
    Format("UST", (".ust",), read_ust, write_ust, _TICKS),
    Format("USTX", (".ustx",), read_ustx, write_ustx, _TICKS, ("part", "language")),
    Format(
        "DiffSinger",
        (".ds",),
        read_ds,
        write_ds,
        _ALL - {"language", "tempo", "slur times"},
        ("part", "language"),
    ),
    Format(
        "TextGrid",
        (".textgrid",),
        read_textgrid,
        write_textgrid,
        _ALL - {"language", "tempo"},
    ),
    Format("JSON", (".json",), read_json_score, write_json_score, _ALL),
    Format(
        "Opencpop",
        (".txt",),
        read_transcription,
        write_transcription,
        _ALL - {"language", "tempo"},
        ("utt",),
    ),
)
SUFFIXES = tuple(suffix for known in FORMATS for suffix in known.suffixes)


def format_of(path: str | Path) -> tuple[Format, str, str | None]:
    """The format of a path, the file, and the utterance that ``file#ID`` names.

    Raises:
        UserError: an unknown suffix, or an id for a format of one score a file.
    """
    place, utt = str(path), None
    if "#" in place and not Path(place).exists():
        for known in FORMATS:
            for suffix in known.suffixes if "utt" in known.options else ():
                if f"{suffix}#" in place:
                    place, _, utt = place.partition(f"{suffix}#")
                    return known, place + suffix, utt
    for known in FORMATS:
        if place.lower().endswith(known.suffixes):
            return known, place, utt
    raise UserError(path, f"suffix {Path(place).suffix!r}", ", ".join(SUFFIXES))
