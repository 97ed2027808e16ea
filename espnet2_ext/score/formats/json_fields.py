"""Fields of an annotation in JSON, checked: what the readers of corpora in JSON share."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json
from espnet2_ext.score.music_score import MusicScore


def read_items(path: str | Path) -> Iterator[tuple[str, Any]]:
    """Each item of a corpus' list of utterances, with its place: file, number (from 0) and name.

    Raises:
        UserError: the file is no JSON list, or an empty one.
    """
    loaded = read_json(path)
    if not isinstance(loaded, list) or not loaded:
        raise UserError(path, f"{type(loaded).__name__}", "a list of utterances")
    for index, item in enumerate(loaded):
        name = item.get("item_name") if isinstance(item, dict) else None
        yield f"{path}: item {index}" + (f" ({name})" if isinstance(name, str) else ""), item


def take(item: Any, field: str, kind: type, place: str) -> Any:
    """The value of a field of an object, of this type (list or str).

    Raises:
        UserError: naming `place` and the field.
    """
    if not isinstance(item, dict):
        raise UserError(place, f"{type(item).__name__}", "an object")
    if field not in item:
        raise UserError(place, "missing", f"a {kind.__name__}", field)
    if not isinstance(item[field], kind):
        raise UserError(place, f"{type(item[field]).__name__}", f"a {kind.__name__}", field)
    return item[field]


def take_list(item: Any, field: str, place: str, length: int | None = None) -> list[Any]:
    """The value of a list field, of this length; raises `UserError`."""
    values = take(item, field, list, place)
    if length is not None and len(values) != length:
        raise UserError(place, f"{len(values)} items", f"{length}", field)
    return values


def words(values: Sequence[Any], field: str, place: str) -> list[str]:
    """The values as words; raises `UserError` naming the item that is no string."""
    for index, value in enumerate(values):
        if not isinstance(value, str):
            raise UserError(place, f"item {index + 1} is {value!r}", "a string", field)
    return [str(value) for value in values]


def seconds(values: Sequence[Any], field: str, place: str) -> list[float]:
    """The values as seconds; raises `UserError` naming the item that is negative or no number."""
    for index, value in enumerate(values):
        if not _is_number(value) or value < 0:
            expected = "seconds, not negative"
            raise UserError(place, f"item {index + 1} is {value!r}", expected, field)
    return [float(value) for value in values]


def integers(values: Sequence[Any], high: int, field: str, place: str) -> list[int]:
    """The values as integers of 0 to `high`; "1", true and 1.0 are 1 as well.

    Raises:
        UserError: naming the item.
    """
    numbers = []
    for index, value in enumerate(values):
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            value = int(value)
        if isinstance(value, bool):
            value = int(value)
        if not _is_number(value) or value != int(value) or not 0 <= value <= high:
            raise UserError(place, f"item {index + 1} is {value!r}", f"0 to {high}", field)
        numbers.append(int(value))
    return numbers


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) < 1e9  # not NaN, not infinite


def require_performed(score: MusicScore, place: str) -> None:
    """Raise `UserError` unless every note is performed, by the phones that it says."""
    sung: list[tuple[str, ...]] = [()] * len(score.notes)
    for phone in score.phones:
        sung[phone.note] += (phone.phone,)
    for index, (note, phones) in enumerate(zip(score.notes, sung, strict=True)):
        if not phones or phones != note.phones:
            found = f"note {index} is performed as {' '.join(phones) or 'nothing'!r}"
            raise UserError(place, found, " ".join(note.phones) or "its phones", "phones")
