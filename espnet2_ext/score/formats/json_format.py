"""Our own score format: a MusicScore as JSON, field for field."""

from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json, write_json
from espnet2_ext.score.formats.assemble import SungNote, assemble
from espnet2_ext.score.formats.espnet_format import parse_score_json
from espnet2_ext.score.music_score import MusicScore, Note, Phone

FORMAT = "espnet2_ext score 1"
_KEYS = {"format", "tempo", "language", "notes", "phones"}
_NOTE = {"start_sec": float, "end_sec": float, "midi": int, "lyric": str, "phones": list}
_NOTE |= {"slur": bool}
_PHONE = {"start_sec": float, "end_sec": float, "phone": str, "note": int}


def write_json_score(path: str | Path, score: MusicScore) -> list[str]:
    """Write a score, with its performed phones where it has them; returns nothing lost: []."""
    write_json(path, score_to_dict(score))
    return []


def score_to_dict(score: MusicScore) -> dict[str, Any]:
    """The JSON value of a score."""

    def fields(item: Note | Phone, keys: dict[str, type]) -> dict[str, Any]:
        values = {key: getattr(item, key) for key in keys}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}

    value = {"format": FORMAT, "tempo": score.tempo, "language": score.language}
    value["notes"] = [fields(note, _NOTE) for note in score.notes]
    if score.phones:
        value["phones"] = [fields(phone, _PHONE) for phone in score.phones]
    return value


def _check(item: Any, types: dict[str, type], required: set[str], place: str) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise UserError(place, f"{item!r}", "an object")
    for key in sorted(required - item.keys()):
        raise UserError(place, f"no {key!r}", ", ".join(types))
    for key, value in item.items():
        if key not in types:
            raise UserError(place, f"unknown key {key!r}", ", ".join(types))
        wanted = types[key]
        number = isinstance(value, int | float) and not isinstance(value, bool)
        number = number and abs(value) < 1e9  # not NaN, not infinite
        fits = {
            float: number,
            int: number and value == int(value),
            list: isinstance(value, list) and all(isinstance(phone, str) for phone in value),
        }.get(wanted, isinstance(value, wanted))
        if not fits:
            raise UserError(place, f"{value!r}", wanted.__name__, key)
    return item


def read_json_score(
    path: str | Path, language: str | None = None, default_language: str = "zh"
) -> MusicScore:
    """Read our JSON, or the JSON that ESPnet's `score.scp` points to.

    Written by hand it may be short: a note needs ``start_sec``, ``end_sec``, ``midi`` and
    ``lyric``; rests between notes, phones, and ``slur`` (from a lyric ``-``) are filled in, unless
    ``phones`` are given.

    Raises:
        UserError: naming note and key.
    """
    return score_of(read_json(path), path, language, default_language)


def score_of(
    loaded: Any, path: str | Path, language: str | None = None, default_language: str = "zh"
) -> MusicScore:
    """The score of a JSON value, as `read_json_score` reads it from a file.

    Raises:
        UserError: naming `path`, note and key.
    """
    if isinstance(loaded, dict) and "item_list" in loaded:
        return parse_score_json(loaded, str(path), None, language or default_language)
    types = {"format": str, "tempo": float, "language": str, "notes": object, "phones": object}
    loaded = _check(loaded, types, {"notes"}, str(path))
    if loaded.get("format", FORMAT) != FORMAT:
        raise UserError(path, f"{loaded['format']!r}", repr(FORMAT), "format")
    for key in ("notes", "phones"):
        if not isinstance(loaded.get(key, []), list):
            raise UserError(path, f"{type(loaded[key]).__name__}", "a list", key)
    language = language or loaded.get("language", default_language)
    tempo = loaded.get("tempo", 120.0)
    required = {"start_sec", "end_sec", "midi"}
    rows = [
        _check(row, _NOTE, required, f"{path}: note {index}")
        for index, row in enumerate(loaded["notes"])
    ]
    phones = [
        _check(row, _PHONE, set(_PHONE), f"{path}: phone {index}")
        for index, row in enumerate(loaded.get("phones", []))
    ]
    try:
        if phones or all(row.get("phones") for row in rows):
            notes = [
                Note(**row | {"phones": tuple(row.get("phones", ())), "midi": int(row["midi"])})
                for row in rows
            ]
            return MusicScore(tuple(notes), tuple(Phone(**row) for row in phones), tempo, language)
    except ValueError as error:
        raise UserError(path, str(error)) from None
    sung = [
        SungNote(
            row["start_sec"],
            row["end_sec"],
            int(row["midi"]),
            "-" if row.get("slur") else row.get("lyric"),
            f"{path}: note {index}",
        )
        for index, row in enumerate(rows)
        if row["midi"]
    ]
    return assemble(sung, str(path), tempo, language, end_sec=rows[-1]["end_sec"] if rows else 0.0)
