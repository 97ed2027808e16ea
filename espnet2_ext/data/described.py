"""What a data directory of described audio has beside the usual tables.

``attributes.jsonl`` and ``instructions.jsonl`` have an object a line, whose ``utt`` is the
utterance; ``vocal.scp`` and ``accompaniment.scp`` the stems of songs; ``utt2num_spk`` the number of
speakers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.files import STEMS, read_jsonl_table, write_jsonl, write_table
from espnet2_ext.score.formats.json_fields import take, take_list

ATTRIBUTES, INSTRUCTIONS = "attributes.jsonl", "instructions.jsonl"
KINDS = ("song", "speech", "dialogue")
FIELDS = {
    "kind": str, "language": str, "gender": str, "age": str, "emotion": str, "style": str,
    "accent": str, "genre": str, "instruments": list, "rhythm": dict, "metre": str, "key": str,
    "atmosphere": str, "speakers": list, "turns": list, "lyrics": str,
}  # fmt: skip
"""Attributes that are known, with their types; each is there only where it applies."""


@dataclass(frozen=True)
class Described:
    """An utterance's description.

    Args:
        attributes: Of `FIELDS`.
        instructions: Texts, each with ``lang``, ``form`` and ``text``.
        stems: Paths of vocal and accompaniment, as `STEMS` orders them; None where there are none.
    """

    attributes: dict[str, Any]
    instructions: Sequence[dict[str, str]] = ()
    stems: tuple[str, str] | None = None

    @property
    def n_speakers(self) -> int:
        """How many people are heard."""
        return max(1, len(self.attributes.get("speakers", ())))


def read_attributes(value: Any, place: str) -> dict[str, Any]:
    """Attributes as a manifest has them; raises `UserError` naming the one that is wrong."""
    if not isinstance(value, dict):
        raise UserError(place, type(value).__name__, "an object", "attributes")
    for name, item in value.items():
        if name not in FIELDS:
            raise UserError(place, f"unknown attribute {name!r}", ", ".join(FIELDS), "attributes")
        if not isinstance(item, FIELDS[name]):
            found, expected = f"{name} is {item!r}", f"a {FIELDS[name].__name__}"
            raise UserError(place, found, expected, "attributes")
    for item in value.get("instruments", ()):
        if not isinstance(item, str):
            raise UserError(place, f"instruments has {item!r}", "names", "attributes")
    bpm = value.get("rhythm", {}).get("bpm", 1)
    if isinstance(bpm, bool) or not isinstance(bpm, int | float) or not 0 < bpm < math.inf:
        raise UserError(place, f"rhythm has a bpm of {bpm!r}", "a number above 0", "attributes")
    if value.get("kind", KINDS[0]) not in KINDS:
        found = f"kind {value['kind']!r}"
        raise UserError(place, found, ", ".join(KINDS), "attributes")
    return {"kind": KINDS[0], **value}


def read_instructions(item: dict[str, Any], place: str) -> list[dict[str, str]]:
    """The ``instructions`` of a manifest's line: texts, or objects of ``lang``, ``form``, ``text``.

    Raises:
        UserError: naming the one that is wrong.
    """
    read = []
    for number, value in enumerate(take_list(item, "instructions", place), 1):
        where = f"{place}: instruction {number}"
        fields = {"text": value} if isinstance(value, str) else value
        text = take(fields, "text", str, where).strip()
        if not text:
            raise UserError(where, "nothing", "a description", "text")
        lang = fields.get("lang") or ("en" if text.isascii() else "zh")
        form = fields.get("form") or "free"
        read.append({"lang": str(lang), "form": str(form), "text": text})
    return read


def write_described(data_dir: str | Path, described: Mapping[str, Described]) -> None:
    """Write what a data directory's utterances are described by; stems where any has some."""
    data_dir = Path(data_dir)
    items = sorted(described.items())
    rows = [{"utt": utt, **item.attributes} for utt, item in items]
    write_jsonl(data_dir / ATTRIBUTES, rows)
    rows = [{"utt": utt, "instructions": list(item.instructions)} for utt, item in items]
    write_jsonl(data_dir / INSTRUCTIONS, rows)
    write_table(data_dir / "utt2num_spk", [(utt, item.n_speakers) for utt, item in items])
    for index, name in enumerate(STEMS):
        stems = [(utt, item.stems[index]) for utt, item in items if item.stems is not None]
        if stems:
            write_table(data_dir / name, stems)
        else:
            (data_dir / name).unlink(missing_ok=True)


def read_described(data_dir: str | Path) -> dict[str, Described]:
    """Attributes and instructions of the utterances of a data directory; {} where it has none.

    Raises:
        UserError: a file that cannot be read, naming the line.
    """
    data_dir = Path(data_dir)
    of_attributes = data_dir / ATTRIBUTES
    if not of_attributes.is_file():
        return {}
    attributes = read_jsonl_table(of_attributes)
    given = data_dir / INSTRUCTIONS
    instructions = read_jsonl_table(given) if given.is_file() else {}
    return {
        utt: Described(
            read_attributes(
                {k: v for k, v in row.items() if k != "utt"}, f"{of_attributes}: {utt}"
            ),
            instructions.get(utt, {}).get("instructions", ()),
        )
        for utt, row in attributes.items()
    }
