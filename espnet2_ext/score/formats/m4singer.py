"""M4Singer's ``meta.json``: a list of utterances, each with lists of one item per phone.

Unlike Opencpop's, the note durations of a syllable's phones add up to the note. Phones are whole
finals (`whole_finals`); by default a score is returned in Opencpop's, which lyrics are read as.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.files import write_json
from espnet2_ext.score.formats.json_fields import (
    integers,
    read_items,
    require_performed,
    seconds,
    take,
    take_list,
    words,
)
from espnet2_ext.score.formats.losses import losses
from espnet2_ext.score.formats.whole_finals import (
    FINALS,
    INITIALS,
    SYLLABIC,
    from_opencpop,
    to_opencpop,
)
from espnet2_ext.score.music_score import (
    REST_MIDI,
    REST_PHONES,
    SLUR_LYRIC,
    MusicScore,
    Note,
    Phone,
)
from espnet2_ext.score.phones import is_hanzi

PHONES = REST_PHONES + INITIALS + FINALS
NOTE_DURATIONS = ("summed", "repeated")
_RESTS = {f"<{rest}>": rest for rest in REST_PHONES}
_LISTS = ("phs", "ph_dur", "notes", "notes_dur", "is_slur")
_MAX_RATIO = 1.5  # of the notes' length to the phones'; twice: durations repeated, not shared


@dataclass(frozen=True)
class _Phone:
    """An item of the lists."""

    phone: str
    seconds: float
    midi: int
    note_seconds: float
    slur: bool


def parse_item(
    item: Any,
    place: str,
    tempo: float = 120.0,
    own_phones: bool = False,
    note_durations: str = "summed",
) -> tuple[str, MusicScore]:
    """Read one utterance.

    Args:
        item: An object of the list.
        place: File and item, for errors.
        tempo: Beats per minute; the file does not say (the MIDI beside the audio does).
        own_phones: Keep M4Singer's phones instead of Opencpop's.
        note_durations: "summed": the ``notes_dur`` of a syllable's phones add up to its note;
            "repeated": each is the note's.

    Returns:
        ``item_name``, and the score with performed phones.

    Raises:
        UserError: naming the field and item that is wrong.
    """
    name = take(item, "item_name", str, place)
    text = take(item, "txt", str, place)
    phones = _phones(item, place)
    spans = _notes(phones, place)
    lyrics = _lyrics(text, phones, spans)
    notes: list[Note] = []
    performed: list[Phone] = []
    note_start = phone_start = 0.0
    for index, (first, after, slur) in enumerate(spans):
        group = phones[first:after]
        length = sum(phone.note_seconds for phone in group)
        if note_durations == "repeated":
            length /= len(group)
        if length < 1e-6:
            raise UserError(place, f"item {first + 1} is {length:g}", "more than 0 s", "notes_dur")
        note_end = round(note_start + length, 6)
        symbols = tuple(phone.phone for phone in group)
        notes.append(Note(note_start, note_end, group[0].midi, lyrics[index], symbols, slur))
        note_start = note_end
        for phone in group:
            phone_end = round(phone_start + phone.seconds, 6)
            performed.append(Phone(phone_start, phone_end, phone.phone, index))
            phone_start = phone_end
    if not 1 / _MAX_RATIO < note_start / max(phone_start, 1e-6) < _MAX_RATIO:
        found = f"notes of {note_start:.3f} s for phones of {phone_start:.3f} s"
        expected = f"about the same; read as {note_durations}, of {', '.join(NOTE_DURATIONS)}"
        raise UserError(place, found, expected, "notes_dur")
    try:
        score = MusicScore(tuple(notes), tuple(performed), tempo)
    except ValueError as error:
        raise UserError(place, str(error)) from None
    return name, score if own_phones else to_opencpop(score)


def _phones(item: Any, place: str) -> list[_Phone]:
    symbols = words(take_list(item, "phs", place), "phs", place)
    if not symbols:
        raise UserError(place, "empty", "at least one phone", "phs")
    lists = {field: take_list(item, field, place, len(symbols)) for field in _LISTS}
    for index, symbol in enumerate(symbols):
        if symbol not in _RESTS and symbol not in INITIALS + FINALS:
            found = f"item {index + 1}: unknown phone {symbol!r}"
            raise UserError(place, found, "an M4Singer phone", "phs")
    return [
        _Phone(_RESTS.get(symbol, symbol), duration, midi, note_duration, bool(slur))
        for symbol, duration, midi, note_duration, slur in zip(
            symbols,
            seconds(lists["ph_dur"], "ph_dur", place),
            integers(lists["notes"], 127, "notes", place),
            seconds(lists["notes_dur"], "notes_dur", place),
            integers(lists["is_slur"], 1, "is_slur", place),
            strict=True,
        )
    ]


def _notes(phones: list[_Phone], place: str) -> list[tuple[int, int, bool]]:
    """Group phones into notes: (first, after the last, is a slur)."""
    spans: list[tuple[int, int, bool]] = []
    syllable: str | None = None  # the phone that a slur goes on with
    start = 0
    while start < len(phones):
        phone, at = phones[start], f"item {start + 1}"
        following = phones[start + 1] if start + 1 < len(phones) else None
        has_final = following is not None and following.phone in FINALS
        end = start + 1
        if (phone.midi == REST_MIDI) != (phone.phone in REST_PHONES):
            found = f"{at}: phone {phone.phone!r} with note {phone.midi}"
            raise UserError(place, found, "0 with <SP> or <AP> alone", "notes")
        if phone.slur:
            after_initial = syllable in INITIALS and phone.phone in FINALS
            if phone.phone != syllable and not after_initial:
                found = f"{at} is a slur of {phone.phone!r} after {syllable or 'a rest'!r}"
                raise UserError(place, found, "the previous final again", "is_slur")
            syllable = phone.phone
        elif phone.phone in REST_PHONES:
            syllable = None
        elif phone.phone in INITIALS and has_final and not following.slur:
            if following.midi != phone.midi:
                found = f"item {end + 1} is {following.midi} within a syllable on {phone.midi}"
                raise UserError(place, found, "one note", "notes")
            end += 1
            syllable = following.phone
        elif phone.phone in INITIALS and not has_final and phone.phone not in SYLLABIC:
            raise UserError(place, f"{at}, {phone.phone!r}, has no final", field="phs")
        else:
            syllable = phone.phone
        spans.append((start, end, phone.slur))
        start = end
    return spans


def _lyrics(text: str, phones: list[_Phone], spans: list[tuple[int, int, bool]]) -> list[str]:
    """One lyric per note: hanzi or words of the text where it has one each, else the phones."""
    lyrics = [SLUR_LYRIC if slur else "" for _, _, slur in spans]
    sung = [i for i, (a, _, slur) in enumerate(spans) if not slur and phones[a].midi != REST_MIDI]
    syllables = [char for char in text if is_hanzi(char)]
    if len(syllables) != len(sung):
        syllables = text.split()
    if len(syllables) != len(sung):
        syllables = ["".join(p.phone for p in phones[slice(*spans[i][:2])]) for i in sung]
    for index, syllable in zip(sung, syllables, strict=True):
        lyrics[index] = syllable
    return lyrics


def format_item(name: str, score: MusicScore) -> dict[str, Any]:
    """Write one utterance; the inverse of `parse_item`, to the microsecond.

    Raises:
        UserError: the score is not Mandarin, or has notes without performed phones.
    """
    if score.language != "zh":
        raise UserError(name, repr(score.language), "Mandarin (zh)", "language")
    require_performed(score, name)
    score = from_opencpop(score)
    lyrics = [note.lyric for note in score.notes if note.lyric and not note.slur]
    joint = "" if all(is_hanzi(lyric) for lyric in lyrics) else " "
    lists: dict[str, list[Any]] = {field: [] for field in _LISTS}
    left = [_length(note) for note in score.notes]  # of each note, for its phones to come
    to_come = Counter(phone.note for phone in score.phones)
    for phone in score.phones:
        note = score.notes[phone.note]
        share = round(left[phone.note] / to_come[phone.note], 6)
        left[phone.note] -= share
        to_come[phone.note] -= 1
        lists["phs"].append(f"<{phone.phone}>" if note.is_rest else phone.phone)
        lists["ph_dur"].append(_length(phone))
        lists["notes"].append(note.midi)
        lists["notes_dur"].append(share)
        lists["is_slur"].append(int(note.slur))
    return {"item_name": name, "txt": joint.join(lyrics), **lists}


def _length(span: Note | Phone) -> float:
    # Differences of rounded times, so that the sums do not drift.
    return round(round(span.end_sec, 6) - round(span.start_sec, 6), 6)


def read_m4singer(
    path: str | Path, own_phones: bool = False, note_durations: str = "summed"
) -> dict[str, MusicScore]:
    """Read a ``meta.json``: its scores by ``item_name``; options as `parse_item`.

    Raises:
        UserError: naming file, item and field of the first mistake.
    """
    scores: dict[str, MusicScore] = {}
    for place, item in read_items(path):
        name, score = parse_item(item, place, 120.0, own_phones, note_durations)
        if name in scores:
            raise UserError(place, f"duplicate id {name!r}", "each id once", "item_name")
        scores[name] = score
    return scores


def write_m4singer(path: str | Path, scores: Mapping[str, MusicScore]) -> list[str]:
    """Write a ``meta.json``.

    Returns:
        What it does not hold of the scores, an item per kind and utterance.

    Raises:
        UserError: a score is not Mandarin, or has no performed phones.
    """
    write_json(path, [format_item(name, score) for name, score in scores.items()])
    back = read_m4singer(path)
    return [
        f"{name}: {lost}" if len(scores) > 1 else lost
        for name, score in scores.items()
        for lost in losses(score, back[name])
    ]
