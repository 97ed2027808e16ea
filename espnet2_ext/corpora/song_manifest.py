"""Songs and speech of a JSON Lines manifest, with descriptions, as data directories.

docs/mini_song.md lists the fields of a line; unknown ones are mistakes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet2_ext.corpora.preparer import (
    MAX_BAD,
    PreparedSet,
    Rejects,
    audio_seconds,
    check_audio,
    license_of,
    license_statement,
    only_once,
    write_sets,
)
from espnet2_ext.data.described import (
    Described,
    read_attributes,
    read_instructions,
    write_described,
)
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_jsonl
from espnet2_ext.ids import check_id
from espnet2_ext.score.formats.espnet_format import Entry
from espnet2_ext.score.formats.json_fields import require_performed, take
from espnet2_ext.score.formats.json_format import read_json_score
from espnet2_ext.score.lyrics.languages import LANGUAGES, language_of
from espnet2_ext.score.speaker_tags import is_speaker_tag

WHERE = "manifest.jsonl, a line per utterance; paths in it are relative to its folder"
STEM_TOLERANCE_SEC = 0.1
LICENSE = license_statement(
    "Songs of a manifest", "as their owners state it", "the manifest", "as their owners ask for"
)
_FIELDS = (
    "utt", "audio", "lyrics", "text", "language", "instructions", "attributes", "vocal",
    "accompaniment", "score", "speaker", "song", "set",
)  # fmt: skip
_PUNCTUATION = re.compile(r"[^\w\s'’\[\]-]+|_+")


@dataclass(frozen=True)
class _Line:
    """What a line of a manifest is read to; `set_name` is empty where it names none."""

    set_name: str
    entry: Entry
    described: Described


def prepare(
    corpus: str | Path, out: str | Path, max_bad: float = MAX_BAD
) -> tuple[PreparedSet, ...]:
    """Write the data directory `out`; where lines name a ``set``, ``out/<set>`` for each.

    Args:
        corpus: The manifest.
        out: Data directory, or parent of the sets.
        max_bad: Share of the lines that may be bad; they are named in ``rejected.txt`` beside the
            data directories.

    Raises:
        UserError: the manifest cannot be read, or too many lines are bad; no set is written then.
    """
    manifest, out = Path(corpus).resolve(), Path(out)
    rejects = Rejects()
    seen: dict[str, str] = {}
    lines = [
        line
        for place, item in read_jsonl(manifest)
        if (line := rejects.take(_read, item, manifest.parent, seen, place)) is not None
    ]
    named = {line.set_name for line in lines}
    if "" in named and len(named) > 1:
        raise UserError(manifest, "lines with and without a set", "all, or none", "set")
    parent = out.parent if named == {""} else out
    by_set: dict[str, list[_Line]] = {}
    for line in lines:
        by_set.setdefault(line.set_name or out.name, []).append(line)
    sets = {name: [line.entry for line in of_set] for name, of_set in by_set.items()}
    codes = {line.entry.language for line in lines}
    phones = {phone for code in codes for phone in LANGUAGES[code].phones}
    license_text = license_of(manifest.parent, LICENSE)
    prepared = write_sets(parent, sets or {out.name: []}, rejects, license_text, phones, max_bad)
    for name, of_set in by_set.items():
        write_described(parent / name, {line.entry.utt: line.described for line in of_set})
    return prepared


def _read(item: Any, folder: Path, seen: dict[str, str], place: str) -> _Line:
    utt = check_id(take(item, "utt", str, place), place, "utt")
    for name in item:
        if name not in _FIELDS:
            raise UserError(place, f"unknown field {name!r}", ", ".join(_FIELDS))
    only_once(seen, utt, place)
    attributes = read_attributes(item.get("attributes", {}), place)
    language = item.get("language") or attributes.get("language", "zh")
    language_of(language, place)
    attributes = {**attributes, "language": language}
    if "lyrics" in item:
        attributes["lyrics"] = take(item, "lyrics", str, place)
    score = None
    if "score" in item:
        score = read_json_score(folder / take(item, "score", str, place), language)
        require_performed(score, place)
    wav = check_audio(folder / take(item, "audio", str, place), score, place)
    text = _text(item, language, place) if score is None or "text" in item else ""
    entry = Entry(
        utt,
        wav,
        str(item.get("speaker") or utt),
        score,
        text,
        language,
        song=str(item.get("song") or utt),
    )
    check_id(entry.speaker, place, "speaker")
    stems = _stems(item, folder, audio_seconds(wav, place), place)
    described = Described(attributes, read_instructions(item, place), stems)
    set_name = item.get("set", "")
    if set_name:
        check_id(take(item, "set", str, place), place, "set")
    return _Line(set_name, entry, described)


def _text(item: Mapping[str, Any], language: str, place: str) -> str:
    """The phones of an utterance: ``text``, else those that its ``lyrics`` are read as.

    Tags of speakers stay between them.
    """
    if "text" in item:
        text = " ".join(take(item, "text", str, place).split())
        known = LANGUAGES[language].phones
        for phone in text.split():
            if not is_speaker_tag(phone) and phone not in (*known, "SP", "AP"):
                raise UserError(place, f"unknown phone {phone!r}", f"phones of {language}", "text")
        return text
    lyrics = take(item, "lyrics", str, place)
    phones: list[str] = []
    for part in re.split(r"(\[S\d\])", lyrics):
        if is_speaker_tag(part):
            phones.append(part)
        elif words := _PUNCTUATION.sub(" ", part).strip():
            read = LANGUAGES[language].read(words, f"{place}: lyrics")
            phones += [phone for syllable in read for phone in syllable.phones]
    if not phones:
        raise UserError(place, "nothing", "words", "lyrics")
    return " ".join(phones)


def _stems(
    item: Mapping[str, Any], folder: Path, seconds: float, place: str
) -> tuple[str, str] | None:
    """Vocal and accompaniment, both or neither, as long as the mix."""
    fields = ("vocal", "accompaniment")
    given = [name for name in fields if name in item]
    if not given:
        return None
    paths = []
    for name in fields:
        path = folder / take(item, name, str, place)
        length = audio_seconds(path, f"{place}: {name}")
        if abs(length - seconds) > STEM_TOLERANCE_SEC:
            found = f"{length:.3f} s, audio {seconds:.3f} s"
            raise UserError(place, found, f"within {STEM_TOLERANCE_SEC} s", name)
        paths.append(str(path))
    return paths[0], paths[1]
