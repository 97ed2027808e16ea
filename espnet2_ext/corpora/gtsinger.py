"""GTSinger as ESPnet SVS data directories.

Read: ``<Language>/<Singer>/<Technique>/<Song>/<Group>/<n>.{json,wav}``, and for tempi the
``.musicxml`` beside them. The spoken ``Paired_Speech_Group`` is left out.
"""

import argparse
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from espnet2_ext.corpora.preparer import (
    MAX_BAD,
    PreparedSet,
    Rejects,
    check_audio,
    license_of,
    license_statement,
    write_sets,
)
from espnet2_ext.errors import UserError
from espnet2_ext.files import write_table
from espnet2_ext.score.formats.espnet_format import Entry
from espnet2_ext.score.formats.gtsinger import Annotated, read_annotated
from espnet2_ext.score.formats.gtsinger_phones import CODES, LANGUAGES
from espnet2_ext.score.lyrics.languages import LANGUAGES as KNOWN

# Of egs2/gtsinger/svs1, for Mandarin; its authors and ESPnet publish no split of the others.
DEV_SONGS = ("不再见", "曹操", "爱情转移", "大鱼", "安河桥")
TEST_SONGS = ("匆匆那年", "可惜没如果", "菊花台", "默", "画心")
HELD_OUT = 0.05  # of the songs of another language, for dev and again for test; at least one
SPEECH_GROUP = "Paired_Speech_Group"
REPOSITORY = "GTSinger/GTSinger"
LAYOUT = "<Language>/<Singer>/<Technique>/<Song>/<Group>/<n>.{json,wav,musicxml}"
LICENSE = license_statement(
    "GTSinger",
    "CC BY-NC-SA 4.0 (https://creativecommons.org/licenses/by-nc-sa/4.0/)",
    f"https://huggingface.co/datasets/{REPOSITORY}",
    "Zhang et al., GTSinger: A Global Multi-Technique Singing Corpus with Realistic Music Scores "
    "for All Singing Tasks, NeurIPS 2024",
)
_SINGER = re.compile(r"([A-Z]{2})-(Soprano|Alto|Tenor|Bass)-[1-9]")


@dataclass(frozen=True)
class _Line:
    """A good utterance: its song, entry and annotation, and the folders that say how it is sung."""

    song: str
    entry: Entry
    annotated: Annotated
    technique: str
    group: str


WHERE = "directory that holds Chinese/, English/, ..."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``bin.prepare gtsinger``."""
    parser.add_argument(
        "--languages", nargs="*", default=[], metavar="CODE", help="zh en ...; all that are there"
    )
    parser.add_argument(
        "--phones", choices=("lyrics", "own"), default="lyrics", help="phone set to write"
    )
    parser.add_argument(
        "--download",
        dest="fetch",
        action="store_true",
        help="fetch what is missing from the Hugging Face hub",
    )


def prepare(
    corpus: str | Path,
    out: str | Path,
    languages: Sequence[str] = (),
    phones: str = "lyrics",
    max_bad: float = MAX_BAD,
    fetch: bool = False,
) -> tuple[PreparedSet, ...]:
    """Write ``out/{train,dev,test}``, each with ``utt2tech`` and ``utt2style``.

    Args:
        corpus: Directory that holds the folders of the languages.
        out: Parent of the data directories.
        languages: ISO 639 codes; all that are there by default.
        phones: ``own``: keep the published phones; see `score.formats.gtsinger_phones`.
        max_bad: Share of the utterances that may be bad; they are named in ``out/rejected.txt``.
        fetch: First download what is missing from the Hugging Face hub.

    Raises:
        UserError: the layout is not GTSinger's, a language has too few songs, or too many
            utterances are bad; no set is written then.
    """
    own_phones = phones == "own"
    if fetch:
        download(corpus, languages)
    corpus = Path(corpus).resolve()
    folders = _folders(corpus, languages)
    rejects = Rejects()
    sets: dict[str, list[_Line]] = {"train": [], "dev": [], "test": []}
    for code, folder in folders.items():
        lines, songs = [], set()
        for path in _annotations(folder):
            songs.add(path.parts[-3])
            line = rejects.take(_line, path, code, own_phones)
            if line is not None:
                lines.append(line)
        set_of = _split(folder, code, songs)
        for line in lines:
            sets[set_of[line.song]].append(line)
    phone_set = None
    if own_phones or set(folders) != {"zh"}:
        phone_set = _phone_set(sets, own_phones)
    entries = {name: [line.entry for line in lines] for name, lines in sets.items()}
    license_text = license_of(corpus, LICENSE)
    prepared = write_sets(out, entries, rejects, license_text, phone_set, max_bad)
    for name, lines in sets.items():
        ordered = sorted(lines, key=lambda line: line.entry.utt)
        tech = {line.entry.utt: " ".join(line.annotated.techniques) for line in ordered}
        write_table(Path(out) / name / "utt2tech", tech)
        write_table(Path(out) / name / "utt2style", {x.entry.utt: _style(x) for x in ordered})
    return prepared


def download(corpus: str | Path, languages: Sequence[str] = ()) -> None:
    """Fetch the singing of GTSinger from the Hugging Face hub; files that are there are kept.

    Args:
        corpus: Directory to fill.
        languages: ISO 639 codes; all nine by default.

    Raises:
        UserError: the hub cannot be reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    wanted = [name for name, code in LANGUAGES.items() if code in (languages or CODES)]
    try:
        snapshot_download(
            REPOSITORY,
            repo_type="dataset",
            local_dir=str(corpus),
            allow_patterns=[f"{n}/**.{s}" for n in wanted for s in ("json", "wav", "musicxml")],
            ignore_patterns=[f"*/{SPEECH_GROUP}/*"],
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        found = f"not to be had ({str(error).splitlines()[0]})"
        raise UserError(f"{REPOSITORY} on huggingface.co", found, "the hub in reach") from None


def _folders(corpus: Path, languages: Sequence[str]) -> dict[str, Path]:
    there = {code: corpus / name for name, code in LANGUAGES.items() if (corpus / name).is_dir()}
    source = f"GTSinger from https://huggingface.co/datasets/{REPOSITORY}: {LAYOUT}"
    for code in languages:
        if code not in CODES:
            raise UserError("languages", repr(code), ", ".join(CODES))
        if code not in there:
            raise UserError(corpus, f"no folder of {code!r}", source)
    if not there:
        raise UserError(corpus, "no folder of a language", source)
    return {code: there[code] for code in there if not languages or code in languages}


def _annotations(folder: Path) -> list[Path]:
    """The JSON of every sung utterance, whether it or its audio alone is there."""
    found = {
        path.with_suffix(".json")
        for suffix in ("json", "wav")
        for path in folder.glob(f"*/*/*/*/*.{suffix}")
        if path.parent.name != SPEECH_GROUP
    }
    return sorted(found)


def _line(path: Path, language: str, own_phones: bool) -> _Line:
    singer, technique, song, group = path.parts[-5:-1]
    known = _SINGER.fullmatch(singer)
    if known is None or known[1] != language.upper():
        expected = f"{language.upper()}-Soprano-, -Alto-, -Tenor- or -Bass- and a number"
        raise UserError(path, f"unknown singer {singer!r}", expected, "singer")
    annotated = read_annotated(path, language, own_phones)
    wav = check_audio(path.with_suffix(".wav"), annotated.score, str(path))
    utt = "+".join("#".join((singer, technique, song, group, path.stem)).split())
    entry = Entry(utt, wav, singer, annotated.score, language=language, song="+".join(song.split()))
    return _Line(song, entry, annotated, technique, group)


def _split(folder: Path, language: str, songs: Iterable[str]) -> dict[str, str]:
    """The set of each song, whoever sings it."""
    titles = sorted(songs)
    if language == "zh":
        dev, test = set(DEV_SONGS), set(TEST_SONGS)
    else:
        number = max(1, round(HELD_OUT * len(titles)))
        if len(titles) <= 2 * number:
            raise UserError(folder, f"{len(titles)} songs", "at least one for each set", "songs")
        dev, test = set(titles[-2 * number : -number]), set(titles[-number:])
    return {
        title: "test" if title in test else "dev" if title in dev else "train" for title in titles
    }


def _phone_set(sets: dict[str, list[_Line]], own_phones: bool) -> set[str]:
    """All phones that lyrics can be read as, and those that are sung."""
    lines = [line for lines in sets.values() for line in lines]
    phones = {phone.phone for line in lines for phone in line.annotated.score.phones}
    if not own_phones:
        for code in {line.entry.language for line in lines} & {"zh", "en"}:
            phones |= set(KNOWN[code].phones)
    return phones


def _style(line: _Line) -> str:
    labels = (*line.annotated.style, ("technique", line.technique), ("group", line.group))
    return " ".join(f"{key}={'+'.join(value.split())}" for key, value in labels)
