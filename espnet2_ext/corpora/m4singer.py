"""M4Singer as ESPnet SVS data directories.

Read: ``meta.json``, ``<singer>#<song>/<n>.wav``, and for tempi ``<singer>#<song>/<n>.mid``.
"""

import argparse
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from espnet2_ext.corpora import opensinger
from espnet2_ext.corpora.preparer import (
    MAX_BAD,
    PreparedSet,
    Rejects,
    check_audio,
    license_of,
    license_statement,
    midi_tempo,
    only_once,
    write_sets,
)
from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.espnet_format import Entry
from espnet2_ext.score.formats.json_fields import read_items
from espnet2_ext.score.formats.m4singer import NOTE_DURATIONS, PHONES, parse_item

SPLITS = ("authors", "espnet")
TEST_SONGS = (
    "Alto-1#暖暖",
    "Alto-1#贝加尔湖畔",
    "Tenor-2#十年",
    "Tenor-2#理想三旬",
    "Soprano-4#青藏高原",
    "Bass-3#听海",
)  # `test_prefixes` of the authors' configuration, which validates on the same songs
DEV_SONGS = 6
SOURCE = "https://github.com/M4Singer/M4Singer (apply_form.md)"
LAYOUT = "meta.json, <singer>#<song>/<n>.wav and .mid"
LICENSE = license_statement(
    "M4Singer",
    "CC BY-NC-SA 4.0 (https://creativecommons.org/licenses/by-nc-sa/4.0/), by application",
    "https://github.com/M4Singer/M4Singer",
    "Zhang et al., M4Singer: A Multi-Style, Multi-Singer and Musical Score Provided Mandarin "
    "Singing Corpus, NeurIPS 2022",
)
_ESPNET_SEED, _ESPNET_SET_SIZE = 1234, 100
_SINGER = re.compile(r"(Soprano|Alto|Tenor|Bass)-[1-9]")


@dataclass(frozen=True)
class _Line:
    """A good item: its name and entry."""

    name: str
    entry: Entry


WHERE = "directory that holds meta.json"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``bin.prepare m4singer``."""
    parser.add_argument("--split", choices=SPLITS, default=SPLITS[0], help="which published split")
    parser.add_argument(
        "--phones", choices=("opencpop", "own"), default="opencpop", help="phone set to write"
    )
    parser.add_argument(
        "--note_durations",
        choices=NOTE_DURATIONS,
        default=NOTE_DURATIONS[0],
        help="whether notes_dur of a syllable's phones add up to its note, or repeat it",
    )
    parser.add_argument(
        "--prompts", type=Path, help="directory of OpenSinger: sets opensinger, test_opensinger"
    )


def prepare(
    corpus: str | Path,
    out: str | Path,
    split: str = "authors",
    phones: str = "opencpop",
    note_durations: str = "summed",
    prompts: str | Path | None = None,
    max_bad: float = MAX_BAD,
) -> tuple[PreparedSet, ...]:
    """Write ``out/{train,dev,test}``, and with prompts ``out/{opensinger,test_opensinger}``.

    Args:
        corpus: Directory that holds ``meta.json``.
        out: Parent of the data directories.
        split: "authors": their six test songs, and six more songs of other singers as dev;
            "espnet": 100 utterances each, drawn as by ESPnet's recipe (songs are shared).
        phones: ``own``: keep M4Singer's phones instead of Opencpop's.
        note_durations: See `score.m4singer.parse_item`.
        prompts: OpenSinger: its recordings become a prompt set, its singers those of
            ``test_opensinger``, the test scores once more.
        max_bad: Share of the items that may be bad; they are named in ``out/rejected.txt``.

    Raises:
        UserError: the layout is not M4Singer's, or too many items are bad; no set is written then.
    """
    corpus = Path(corpus).resolve()
    if not (corpus / "meta.json").is_file():
        raise UserError(corpus, "no meta.json", f"M4Singer from {SOURCE}: {LAYOUT}")
    rejects = Rejects()
    seen: dict[str, str] = {}
    names: list[str] = []
    lines: list[_Line] = []

    def read(place: str, item: Any) -> _Line:
        name, score = parse_item(item, place, 120.0, phones == "own", note_durations)
        only_once(seen, name, place)
        singer, song, number = _parts(name, place)
        folder = _folder(corpus, f"{singer}#{song}", place)
        wav = check_audio(folder / f"{number}.wav", score, place)
        score = replace(score, tempo=midi_tempo(folder / f"{number}.mid", place))
        title = "+".join(song.split())
        return _Line(name, Entry("+".join(name.split()), wav, singer, score, song=title))

    for place, item in read_items(corpus / "meta.json"):
        if isinstance(item, dict):
            names.append(str(item.get("item_name")))
        line = rejects.take(read, place, item)
        if line is not None:
            lines.append(line)
    set_of = _authors_split(names) if split == "authors" else _espnet_split(names)
    sets: dict[str, list[Entry]] = {"train": [], "dev": [], "test": []}
    for line in lines:
        sets[set_of[line.name]].append(line.entry)
    licenses = dict.fromkeys(sets, license_of(corpus, LICENSE))
    if prompts is not None:
        sets["opensinger"] = opensinger.read_prompts(prompts, rejects)
        sets["test_opensinger"] = opensinger.pair_with_prompts(sets["test"], sets["opensinger"])
        licenses["opensinger"] = license_of(prompts, opensinger.LICENSE)
        licenses["test_opensinger"] = f"{licenses['test']}\n{licenses['opensinger']}"
    return write_sets(out, sets, rejects, licenses, PHONES if phones == "own" else None, max_bad)


def _parts(name: str, place: str) -> tuple[str, str, str]:
    parts = name.split("#")
    if len(parts) != 3 or not all(parts):
        raise UserError(place, repr(name), "Singer#Song#0000", "item_name")
    if not _SINGER.fullmatch(parts[0]):
        expected = "Soprano-, Alto-, Tenor- or Bass- and a number"
        raise UserError(place, f"unknown singer {parts[0]!r}", expected, "item_name")
    return parts[0], parts[1], parts[2]


def _folder(corpus: Path, name: str, place: str) -> Path:
    """The folder of a song; some archives unpack hanzi in names as #U and their number."""
    escaped = name.encode("unicode_escape").decode().replace("\\u", "#U")
    for candidate in (corpus / name, corpus / escaped):
        if candidate.is_dir():
            return candidate
    raise UserError(place, f"no folder {corpus / name}", LAYOUT, "item_name")


def _authors_split(names: Iterable[str]) -> dict[str, str]:
    """The set of each item: their test songs; for dev the last song of six singers."""
    song_of = {name: name.rpartition("#")[0] for name in names}
    songs: dict[str, list[str]] = {}
    for song in sorted(set(song_of.values()) - set(TEST_SONGS)):
        songs.setdefault(song.partition("#")[0], []).append(song)
    # Where a singer has but one song left, it is for training.
    last = [titles[-1] for titles in songs.values() if len(titles) > 1]
    step = max(len(last) // DEV_SONGS, 1)
    dev = set(last[::step][:DEV_SONGS])
    return {
        name: "test" if song in TEST_SONGS else "dev" if song in dev else "train"
        for name, song in song_of.items()
    }


def _espnet_split(names: Iterable[str]) -> dict[str, str]:
    """As egs2/m4singer/svs1 draws: 100 items for test and 100 for dev."""
    drawn = sorted(names)
    random.Random(_ESPNET_SEED).shuffle(drawn)
    size = _ESPNET_SET_SIZE
    return {
        name: "test" if rank < size else "dev" if rank < 2 * size else "train"
        for rank, name in enumerate(drawn)
    }
