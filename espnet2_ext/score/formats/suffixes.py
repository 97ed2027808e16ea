"""The formats of scores: which suffix is read and written by what, and with which options."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.ccs import read_ccs
from espnet2_ext.score.formats.contents import suffix_of_contents
from espnet2_ext.score.formats.ds import read_ds, write_ds
from espnet2_ext.score.formats.espnet_format import read_scores, write_scores
from espnet2_ext.score.formats.gtsinger import read_gtsinger, write_gtsinger
from espnet2_ext.score.formats.json_format import write_json_score
from espnet2_ext.score.formats.label_beside import label_reader
from espnet2_ext.score.formats.m4singer import read_m4singer, write_m4singer
from espnet2_ext.score.formats.midi import read_midi, write_midi
from espnet2_ext.score.formats.mscx import read_mscx
from espnet2_ext.score.formats.musicxml import read_musicxml
from espnet2_ext.score.formats.notation import read_abc, read_kern, read_mei
from espnet2_ext.score.formats.opencpop import read_transcriptions, write_transcriptions
from espnet2_ext.score.formats.other_programs import instead_of
from espnet2_ext.score.formats.several import (
    read_any_json,
    read_directory,
    reader,
    timed_writer,
    writer,
)
from espnet2_ext.score.formats.svp import read_svp
from espnet2_ext.score.formats.textgrid import read_textgrid, write_textgrid
from espnet2_ext.score.formats.tssln import read_tssln
from espnet2_ext.score.formats.ust import read_ust, write_ust
from espnet2_ext.score.formats.ustx import read_ustx, write_ustx
from espnet2_ext.score.formats.vpr import read_vpr
from espnet2_ext.score.formats.vsqx import read_vsqx
from espnet2_ext.score.formats.vvproj import read_vvproj
from espnet2_ext.score.formats.xml_writer import write_musicxml
from espnet2_ext.score.music_score import MusicScore


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
            note begins), glide times (of Mandarin's y and w), seconds (to the microsecond;
            otherwise times are rounded to ticks).
        options: What `read` can be told: part, voice, verse, lyrics, language, default_language
            (where the file may say the language itself), utt, score (of a mono label).
    """

    name: str
    suffixes: tuple[str, ...]
    read: Callable[..., MusicScore]
    write: Callable[..., list[str]] | None = None
    holds: frozenset[str] = frozenset()
    options: tuple[str, ...] = ("language",)


_ALL = frozenset(
    (
        "language",
        "tempo",
        "breaths",
        "phones",
        "phone times",
        "slur times",
        "glide times",
        "seconds",
    )
)
_PERFORMED = _ALL - {"language", "tempo"}
_TICKS = frozenset(("tempo", "breaths"))
_NOTATION = ("part", "voice", "verse", "language")
_PROJECT = ("part", "language", "default_language")

_WRITTEN = (  # notes and lyrics, without phone times
    Format(
        "MusicXML",
        (".musicxml", ".xml", ".mxl"),
        read_musicxml,
        write_musicxml,
        _TICKS | {"language"},
        options=(*_NOTATION, "default_language"),
    ),
    Format("ABC", (".abc",), read_abc, options=(*_NOTATION, "default_language", "utt")),
    Format("Humdrum", (".krn", ".kern"), read_kern, options=(*_NOTATION, "default_language")),
    Format("MEI", (".mei",), read_mei, options=(*_NOTATION, "default_language")),
    Format(
        "MIDI",
        (".mid", ".midi", ".kar"),
        read_midi,
        write_midi,
        frozenset(),
        options=("part", "lyrics", "language"),
    ),
    Format("UST", (".ust",), read_ust, write_ust, _TICKS),
    Format("USTX", (".ustx",), read_ustx, write_ustx, _TICKS, ("part", "language")),
    Format("Synthesizer V", (".svp",), read_svp, options=_PROJECT),
    Format("VOCALOID 3, 4", (".vsqx",), read_vsqx, options=_PROJECT),
    Format("VOCALOID 5, 6", (".vpr",), read_vpr, options=_PROJECT),
    Format("CeVIO", (".ccs",), read_ccs, options=_PROJECT),
    Format("VoiSona", (".tssln",), read_tssln, options=_PROJECT),
    Format("VOICEVOX", (".vvproj",), read_vvproj, options=_PROJECT),
    Format(
        "MuseScore",
        (".mscz", ".mscx"),
        read_mscx,
        options=_NOTATION,
    ),
)

FORMATS = (
    *_WRITTEN,
    Format(
        "HTS label",
        (".lab",),
        label_reader(_WRITTEN),
        options=("score", "part", "voice", "verse", "lyrics", "language", "default_language"),
    ),
    Format(
        "DiffSinger",
        (".ds",),
        read_ds,
        write_ds,
        _PERFORMED - {"slur times"},
        ("part", "language"),
    ),
    Format(
        "TextGrid",
        (".textgrid",),
        read_textgrid,
        write_textgrid,
        _PERFORMED,
        ("part", "language"),
    ),
    Format(
        "M4Singer",
        (".m4singer.json",),
        reader(read_m4singer),
        writer(write_m4singer, read_m4singer),
        _PERFORMED - {"glide times"},
        ("language", "default_language", "utt"),
    ),
    Format(
        "GTSinger",
        (".gtsinger.json",),
        read_gtsinger,
        timed_writer(write_gtsinger, read_gtsinger),
        _PERFORMED - {"glide times"},
        ("language", "default_language"),
    ),
    Format(
        "JSON",
        (".json",),
        read_any_json,
        write_json_score,
        _ALL,
        ("language", "default_language", "utt"),
    ),
    Format(
        "Opencpop",
        (".txt",),
        reader(read_transcriptions),
        writer(write_transcriptions, read_transcriptions),
        _PERFORMED,
        ("language", "default_language", "utt"),
    ),
    Format(
        "ESPnet directory",
        (),
        read_directory,
        writer(write_scores, read_scores),
        _ALL,
        ("language", "default_language", "utt"),
    ),
)
DIRECTORY = FORMATS[-1]  # has no suffix
SUFFIXES = tuple(suffix for known in FORMATS for suffix in known.suffixes)


def format_of(path: str | Path) -> tuple[Format, str, str | None]:
    """The format of a path, the file, and the utterance that ``file#ID`` names.

    Raises:
        UserError: an unknown suffix, or an id for a format of one score a file.
    """
    place, utt = str(path), None
    if "#" in place and not Path(place).exists():
        several = [
            suffix for known in FORMATS if "utt" in known.options for suffix in known.suffixes
        ]
        cut = next((s for s in several if f"{s}#" in place.lower()), None)
        at = place.lower().index(f"{cut}#") + len(cut) if cut else place.index("#")
        is_named = Path(place[:at]).is_dir() or not place.lower().endswith(SUFFIXES)
        if cut or (is_named and _is_directory(place[:at])):
            place, utt = place[:at], place[at + 1 :]
    for known in FORMATS:
        if place.lower().endswith(known.suffixes) and not Path(place).is_dir():
            return known, place, utt
    other = instead_of(place)
    if other and not _is_data_directory(place):
        what, expected = other
        raise UserError(path, f"suffix {Path(place).suffix!r}, {what}", expected)
    if _is_directory(place):
        return DIRECTORY, place, utt
    looks = suffix_of_contents(place)
    instead = "of another program export MusicXML or MIDI"
    if looks is not None:
        instead = f"the file looks like a {looks}: name it so"
    raise UserError(path, f"suffix {Path(place).suffix!r}", f"{', '.join(SUFFIXES)}; {instead}")


def _is_data_directory(place: str) -> bool:
    """Whether a folder is no program's bundle, whatever it is called."""
    return Path(place).is_dir() and any((Path(place) / t).exists() for t in ("label", "score.scp"))


def _is_directory(place: str) -> bool:
    return place.endswith("/") or not Path(place).suffix or Path(place).is_dir()
