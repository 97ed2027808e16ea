"""Opencpop's ``transcriptions.txt``: one utterance per line, seven fields, one item per phone.

Two clocks: the note durations, one per note but repeated over its phones, give the nominal notes;
the phone durations give the performance. They may differ, as consonants lead the beat.
"""

import math
from collections.abc import Mapping
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_text, write_text
from espnet2_ext.score.formats.note_names import midi_to_name, name_to_midi
from espnet2_ext.score.music_score import REST_MIDI, SLUR_LYRIC, MusicScore, Note, Phone
from espnet2_ext.score.phones import INITIALS, PHONES, is_final, is_hanzi, is_rest

FIELDS = ("id", "text", "phones", "notes", "note durations", "phone durations", "slurs")


def _numbers(items: list[str], field: str, place: str) -> list[float]:
    values = []
    for index, item in enumerate(items):
        try:
            value = float(item)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value >= 0):
            raise UserError(place, f"item {index + 1} is {item!r}", "seconds, not negative", field)
        values.append(value)
    return values


def _syllable_ends(phones: list[str], slurs: list[str], place: str) -> list[tuple[int, int, bool]]:
    """Group phones into notes: (first, after the last, is a slur)."""
    spans: list[tuple[int, int, bool]] = []
    final = None
    start = 0
    while start < len(phones):
        phone, slur = phones[start], slurs[start] == "1"
        at = f"item {start + 1}"
        end = start + 1
        if slur:
            if phone != final:
                found = f"{at} is a slur of {phone!r} after {final or 'a rest'!r}"
                raise UserError(place, found, "the previous final again", "slurs")
        elif is_rest(phone):
            final = None
        elif phone in INITIALS:
            if end == len(phones) or not is_final(phones[end]) or slurs[end] == "1":
                raise UserError(place, f"{at}, {phone!r}, has no final", field="phones")
            final = phones[end]
            end += 1
        else:
            final = phone
        spans.append((start, end, slur))
        start = end
    return spans


def _lyrics(text: str, phones: list[str], spans: list[tuple[int, int, bool]]) -> list[str]:
    """One lyric per note: hanzi or pinyin of the text where it has one each, else the phones."""
    sung = [i for i, (a, _, slur) in enumerate(spans) if not slur and not is_rest(phones[a])]
    lyrics = [SLUR_LYRIC if slur else "" for _, _, slur in spans]
    words = [char for char in text if is_hanzi(char)]
    if len(words) != len(sung):
        words = text.split()
    if len(words) != len(sung):
        words = ["".join(phones[slice(*spans[i][:2])]) for i in sung]
    for index, word in zip(sung, words, strict=True):
        lyrics[index] = word
    return lyrics


def parse_line(line: str, place: str, tempo: float = 120.0) -> tuple[str, MusicScore]:
    """Read one line.

    Args:
        line: The seven fields, joined by ``|``.
        place: ``file:line``, for errors.
        tempo: Beats per minute; the line does not say.

    Raises:
        UserError: naming the field and item that is wrong.
    """
    fields = line.strip().split("|")
    if len(fields) != len(FIELDS):
        raise UserError(place, f"{len(fields)} fields", f"{len(FIELDS)}, joined by '|'")
    utt, text = fields[0].strip(), fields[1].strip()
    if not utt or len(utt.split()) != 1:
        raise UserError(place, f"id {utt!r}", "one word", "id")
    phones, names, note_secs, phone_secs, slurs = (field.split() for field in fields[2:])
    if not phones:
        raise UserError(place, "no phones", field="phones")
    for field, items in zip(FIELDS[3:], (names, note_secs, phone_secs, slurs), strict=True):
        if len(items) != len(phones):
            raise UserError(place, f"{len(items)} items", f"{len(phones)}, as phones", field)
    for index, phone in enumerate(phones):
        if phone not in PHONES:
            found = f"item {index + 1}: unknown phone {phone!r}"
            raise UserError(place, found, "an Opencpop phone", "phones")
        if slurs[index] not in ("0", "1"):
            raise UserError(place, f"item {index + 1} is {slurs[index]!r}", "0 or 1", "slurs")
    spans = _syllable_ends(phones, slurs, place)
    note_durations = _numbers(note_secs, "note durations", place)
    phone_durations = _numbers(phone_secs, "phone durations", place)
    lyrics = _lyrics(text, phones, spans)

    notes: list[Note] = []
    performed: list[Phone] = []
    note_start = phone_start = 0.0
    for index, (first, after, slur) in enumerate(spans):
        at = f"item {first + 1}"
        try:
            midi = name_to_midi(names[first])
        except ValueError as error:
            raise UserError(place, f"{at}: {error}", "C4, D#4/Eb4, rest", "notes") from None
        if (midi == REST_MIDI) != is_rest(phones[first]):
            found = f"{at}: phone {phones[first]!r} with note {names[first]!r}"
            raise UserError(place, found, "rest with SP or AP alone", "notes")
        for other in range(first + 1, after):
            if names[other] != names[first]:
                found = (
                    f"item {other + 1} is {names[other]!r} within a syllable on {names[first]!r}"
                )
                raise UserError(place, found, "one note", "notes")
            if abs(note_durations[other] - note_durations[first]) > 1e-3:
                found = (
                    f"item {other + 1} is {note_secs[other]} within a note of {note_secs[first]}"
                )
                raise UserError(place, found, "the note's duration on each phone", FIELDS[4])
        note_end = note_start + note_durations[first]
        if note_durations[first] < 1e-6:
            raise UserError(place, f"{at} is {note_secs[first]}", "more than 0 s", FIELDS[4])
        notes.append(
            Note(note_start, note_end, midi, lyrics[index], tuple(phones[first:after]), slur)
        )
        note_start = note_end
        for phone in range(first, after):
            phone_end = phone_start + phone_durations[phone]
            performed.append(Phone(phone_start, phone_end, phones[phone], index))
            phone_start = phone_end
    try:
        return utt, MusicScore(tuple(notes), tuple(performed), tempo)
    except ValueError as error:
        raise UserError(place, str(error)) from None


def format_line(utt: str, score: MusicScore) -> str:
    """Write one line, without its newline; the inverse of `parse_line`, to the microsecond.

    Raises:
        ValueError: the score has no phones, or a note without any.
    """
    if {phone.note for phone in score.phones} != set(range(len(score.notes))):
        raise ValueError(f"{utt}: an Opencpop line needs performed phones on every note")

    # Differences of rounded times, so that the sums do not drift.
    def duration(span: Note | Phone) -> str:
        return f"{round(span.end_sec, 6) - round(span.start_sec, 6):.6f}"

    lyrics = [note.lyric for note in score.notes if note.lyric and not note.slur]
    joint = "" if all(is_hanzi(lyric) for lyric in lyrics) else " "
    notes = [score.notes[phone.note] for phone in score.phones]
    columns = (
        [phone.phone for phone in score.phones],
        [midi_to_name(note.midi) for note in notes],
        [duration(note) for note in notes],
        [duration(phone) for phone in score.phones],
        [str(int(note.slur)) for note in notes],
    )
    return "|".join([utt, joint.join(lyrics), *(" ".join(column) for column in columns)])


def read_transcriptions(
    path: str | Path, tempos: Mapping[str, float] | None = None
) -> dict[str, MusicScore]:
    """Read a transcriptions file.

    Args:
        path: The file.
        tempos: Beats per minute by song, the first four characters of the id; 120 where missing.

    Raises:
        UserError: naming file, line and field of the first mistake.
    """
    scores: dict[str, MusicScore] = {}
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        tempo = (tempos or {}).get(line.strip()[:4], 120.0)
        utt, score = parse_line(line, f"{path}:{number}", tempo)
        if utt in scores:
            raise UserError(f"{path}:{number}", f"duplicate id {utt!r}", "each id once", "id")
        scores[utt] = score
    if not scores:
        raise UserError(path, "no utterances", "Opencpop lines")
    return scores


def write_transcriptions(path: str | Path, scores: Mapping[str, MusicScore]) -> None:
    """Write a transcriptions file atomically.

    Raises:
        UserError: lyrics that are not Mandarin.
    """
    for utt, score in scores.items():
        if score.language != "zh":
            raise UserError(f"{path}: {utt}", f"lyrics in {score.language!r}", "zh", "language")
    write_text(path, "".join(format_line(utt, score) + "\n" for utt, score in scores.items()))
