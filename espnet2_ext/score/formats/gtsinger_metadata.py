"""GTSinger's ``metadata.json``: a list of utterances, each with lists of one item per phone.

``ep_notedurs`` repeats a note's duration over its phones; ``ep_types`` is 1 for a rest, 2 for a
lyric's first note, 3 for a slur.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.files import write_json
from espnet2_ext.score.formats.gtsinger import (
    NEXT_SYLLABLE,
    STYLES,
    TECHNIQUES,
    Annotated,
    Published,
    ScoreBuilder,
    format_words,
    join_codes,
)
from espnet2_ext.score.formats.gtsinger_phones import CODES, LANGUAGES, RESTS, read_phone
from espnet2_ext.score.formats.json_fields import (
    integers,
    read_items,
    seconds,
    take,
    take_list,
    words,
)
from espnet2_ext.score.formats.losses import losses
from espnet2_ext.score.music_score import SLUR_LYRIC, MusicScore

REST, LYRIC, SLUR = 1, 2, 3
_MAX_RATIO = 1.7  # of the notes' length to the phones': beyond, durations are not repeated ones


def language_of_item(item: Any, place: str) -> str:
    """ISO 639 code by the item's ``language`` or the first part of its ``item_name``.

    Raises:
        UserError: neither names one of GTSinger's languages.
    """
    name = take(item, "item_name", str, place)
    for written in (str(item.get("language")), name.partition("#")[0]):
        if written in LANGUAGES:
            return LANGUAGES[written]
        if written in CODES:
            return written
    raise UserError(place, f"no language in {name!r}", ", ".join(LANGUAGES), "language")


def parse_item(
    item: Any,
    place: str,
    language: str | None = None,
    tempo: float = 120.0,
    own_phones: bool = False,
) -> tuple[str, Annotated]:
    """Read one utterance.

    Args:
        item: An object of the list.
        place: File and item, for errors.
        language: ISO 639 code; by default what the item says.
        tempo: Beats per minute; the file does not say.
        own_phones: Keep the published phones, without their language suffix.

    Returns:
        ``item_name``, and the score with its techniques.

    Raises:
        UserError: naming the field and item that is wrong.
    """
    name = take(item, "item_name", str, place)
    language = language or language_of_item(item, place)
    symbols = words(take_list(item, "ph", place), "ph", place)
    count = len(symbols)
    if not count:
        raise UserError(place, "empty", "at least one phone", "ph")

    def items(field: str) -> list[Any]:
        return take_list(item, field, place, count)

    phone_secs = seconds(items("ph_durs"), "ph_durs", place)
    midis = integers(items("ep_pitches"), 127, "ep_pitches", place)
    note_secs = seconds(items("ep_notedurs"), "ep_notedurs", place)
    types = integers(items("ep_types"), SLUR, "ep_types", place)
    word_of, texts = _words(item, count, place)
    codes = ["0"] * count
    for number, technique in enumerate(TECHNIQUES, 1):
        field = f"{technique}_tech"
        if item.get(field):
            codes = join_codes(codes, integers(items(field), 1, field, place), number)

    builder = ScoreBuilder(place, language)
    start = 0.0
    for index, symbol in enumerate(symbols):
        at = f"{place}: ph: item {index + 1}"
        is_rest = symbol.strip() in RESTS
        if is_rest != (types[index] == REST) or is_rest != (midis[index] == 0):
            found = f"item {index + 1}: {symbol!r} with type {types[index]}, pitch {midis[index]}"
            raise UserError(place, found, "1 and 0 at rests alone", "ep_types")
        end = round(start + phone_secs[index], 6)
        phone = RESTS[symbol.strip()] if is_rest else read_phone(symbol, language, at)
        builder.published.append(Published(phone, start, end, codes[index]))
        start = end
    for first, after in _notes(builder.published, word_of, midis, note_secs, types):
        begins_word = first == 0 or word_of[first] != word_of[first - 1]
        if note_secs[first] < 1e-6:
            found = f"item {first + 1} is {note_secs[first]:g}"
            raise UserError(place, found, "more than 0 s", "ep_notedurs")
        own = builder.published[first:after]
        slur = types[first] == SLUR
        lyric = texts[word_of[first]] if begins_word else NEXT_SYLLABLE
        lyric = "" if types[first] == REST else SLUR_LYRIC if slur else lyric
        builder.add_note(note_secs[first], midis[first], lyric, own, slur)
    notes_end = builder.notes[-1].end_sec
    if not 1 / _MAX_RATIO < notes_end / max(start, 1e-6) < _MAX_RATIO:
        found = f"notes of {notes_end:.3f} s for phones of {start:.3f} s"
        raise UserError(place, found, "the note's duration on each of its phones", "ep_notedurs")
    style = {key: item[key] for key in STYLES if isinstance(item.get(key), str)}
    return name, builder.build(tempo, own_phones, style)


def _words(item: Any, count: int, place: str) -> tuple[list[int], list[str]]:
    """The word of each phone, and the words."""
    key = "txt" if isinstance(item.get("txt"), list) else "word"
    texts = [text.strip() for text in words(take_list(item, key, place), key, place)]
    if not texts:
        raise UserError(place, "empty", "at least one word", key)
    of_phone = take_list(item, "ph2words", place, count)
    return integers(of_phone, len(texts) - 1, "ph2words", place), texts


def _notes(
    phones: Sequence[Published],
    word_of: Sequence[int],
    midis: Sequence[int],
    note_secs: Sequence[float],
    types: Sequence[int],
) -> Iterator[tuple[int, int]]:
    """Group phones into notes: (first, after the last)."""
    first = 0
    for index in range(1, len(phones)):
        before = index - 1
        held = types[index] == SLUR and phones[index].phone == phones[before].phone
        same = (
            types[index] != REST
            and not held
            and all(column[index] == column[before] for column in (word_of, midis, types))
            and abs(note_secs[index] - note_secs[before]) < 1e-6
        )
        if not same:
            yield first, index
            first = index
    yield first, len(phones)


def format_item(
    name: str,
    score: MusicScore,
    techniques: Sequence[str] = (),
    style: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """Write one utterance; the inverse of `parse_item`, to the microsecond.

    Raises:
        UserError: the language is none of GTSinger's, or a note has no performed phone.
    """
    found = format_words(score, techniques, style)
    columns = ("ph", "ph_durs", "ph2words", "ep_pitches", "ep_notedurs", "ep_types")
    item: dict[str, Any] = {"item_name": name, "language": score.language}
    item |= {"txt": [word["word"] for word in found], "word_durs": []}
    item |= {column: [] for column in columns}
    item |= {f"{technique}_tech": [] for technique in TECHNIQUES}
    note_index = 0
    for index, word in enumerate(found):
        item["word_durs"].append(round(word["end_time"] - word["start_time"], 6))
        for position, symbol in enumerate(word["ph"]):
            start, end = word["ph_start"][position], word["ph_end"][position]
            own = max(n for n, begin in enumerate(word["note_start"]) if begin <= start)
            note = score.notes[note_index + own]
            kind = REST if note.is_rest else SLUR if note.slur else LYRIC
            values = (
                symbol if note.is_rest else f"{symbol}_{score.language}",
                round(end - start, 6),
                index,
                note.midi,
                word["note_dur"][own],
                kind,
            )
            for column, value in zip(columns, values, strict=True):
                item[column].append(value)
            for technique in TECHNIQUES:
                item[f"{technique}_tech"].append(int(word[technique][position]))
        note_index += len(word["note"])
    return item | dict(style)


def read_metadata(
    path: str | Path, language: str | None = None, own_phones: bool = False
) -> dict[str, MusicScore]:
    """Read a ``metadata.json``: its scores by ``item_name``; options as `parse_item`.

    Raises:
        UserError: naming file, item and field of the first mistake.
    """
    scores: dict[str, MusicScore] = {}
    for place, item in read_items(path):
        name, annotated = parse_item(item, place, language, 120.0, own_phones)
        if name in scores:
            raise UserError(place, f"duplicate id {name!r}", "each id once", "item_name")
        scores[name] = annotated.score
    return scores


def write_metadata(path: str | Path, scores: Mapping[str, MusicScore]) -> list[str]:
    """Write a ``metadata.json``.

    Returns:
        What it does not hold of the scores, an item per kind and utterance.

    Raises:
        UserError: a language is none of GTSinger's, or a note has no performed phone.
    """
    write_json(path, [format_item(name, score) for name, score in scores.items()])
    back = read_metadata(path)
    return [
        f"{name}: {lost}" if len(scores) > 1 else lost
        for name, score in scores.items()
        for lost in losses(score, back[name])
    ]
