"""OpenSinger: recordings of many Mandarin singers, without scores: prompts.

Read: ``{Man,Woman}Raw/<singer>_<song>/<singer>_<song>_<n>.wav``, and the lyrics in the ``.txt``
beside it. The ``.lab`` files are not read.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path

from espnet2_ext.corpora.preparer import Rejects, check_audio, license_statement, only_once
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_text
from espnet2_ext.score.formats.espnet_format import Entry
from espnet2_ext.score.lyrics.languages import language_of

FOLDERS = {"Man": "ManRaw", "Woman": "WomanRaw"}
_VOICES = {"Bass": "Man", "Tenor": "Man", "Alto": "Woman", "Soprano": "Woman"}
SOURCE = "https://github.com/Multi-Singer/Multi-Singer.github.io"
LAYOUT = "{Man,Woman}Raw/<singer>_<song>/<singer>_<song>_<n>.wav"
LICENSE = license_statement(
    "OpenSinger",
    "CC BY-NC-SA 2.0 (https://creativecommons.org/licenses/by-nc-sa/2.0/)",
    SOURCE,
    "Huang et al., Multi-Singer: Fast Multi-Singer Singing Voice Vocoder With A Large-Scale "
    "Corpus, ACM Multimedia 2021",
)


def read_prompts(corpus: str | Path, rejects: Rejects) -> list[Entry]:
    """The recordings as entries without a score; the phones of the lyrics are their text.

    Where a recording has no lyrics that can be read, no entry has a text: a table of a data
    directory has all utterances or is not there.

    Args:
        corpus: Directory that holds ``ManRaw`` and ``WomanRaw``.
        rejects: Takes the recordings that cannot be used.

    Raises:
        UserError: the layout is not OpenSinger's.
    """
    corpus = Path(corpus).resolve()
    if not any((corpus / folder).is_dir() for folder in FOLDERS.values()):
        raise UserError(corpus, "no ManRaw or WomanRaw", f"OpenSinger from {SOURCE}: {LAYOUT}")
    seen: dict[str, str] = {}
    entries = []
    for gender, folder in FOLDERS.items():
        for path in sorted((corpus / folder).glob("*/*.wav")):
            entry = rejects.take(_entry, path, gender, seen)
            if entry is not None:
                entries.append(entry)
    silent = sum(not entry.text for entry in entries)
    if silent:
        logging.info("%d of %d recordings without lyrics: no text", silent, len(entries))
        entries = [replace(entry, text="") for entry in entries]
    return entries


def _entry(path: Path, gender: str, seen: dict[str, str]) -> Entry:
    parts = path.stem.split("_")
    if len(parts) < 3 or not (parts[0].isdigit() and parts[-1].isdigit()):
        raise UserError(path, f"the name {path.stem!r}", "<singer>_<song>_<n>.wav")
    if path.parent.name.partition("_")[0] != parts[0]:
        raise UserError(path, f"singer {parts[0]!r}", "the singer of its folder", "singer")
    singer = f"{gender}-{parts[0]}"
    utt = "+".join(f"{singer}_{'_'.join(parts[1:])}".split())
    only_once(seen, utt, str(path))
    check_audio(path, None, str(path))
    song = "+".join("_".join(parts[1:-1]).split())
    return Entry(utt, str(path), singer, text=_text(path.with_suffix(".txt")), song=song)


def _text(path: Path) -> str:
    if not path.is_file():
        return ""
    try:
        syllables = language_of("zh").read(read_text(path), path)
    except UserError:
        return ""
    return " ".join(phone for syllable in syllables for phone in syllable.phones)


def pair_with_prompts(entries: Sequence[Entry], prompts: Sequence[Entry]) -> list[Entry]:
    """Scores of one corpus for the singers of another: zero-shot tests.

    Each score goes to the next singer of its voice (Soprano and Alto to women, Tenor and Bass to
    men, any where there is none), under that singer's name. The recording stays: it is how
    someone else sang the score.
    """
    singers = {
        gender: cycle(sorted({p.speaker for p in prompts if p.speaker.startswith(gender)}))
        for gender in FOLDERS
    }
    paired = []
    for entry in sorted(entries, key=lambda entry: entry.utt):
        gender = _VOICES.get(entry.speaker.partition("-")[0], "Woman")
        other = next(g for g in FOLDERS if g != gender)
        singer = next(singers[gender], None) or next(singers[other])
        paired.append(replace(entry, utt=f"{singer}_{entry.utt}", speaker=singer))
    return paired
