"""DiffSinger's .ds: a JSON list of segments, each with its phones, words and notes.

In singing a vowel sits on the beat, so a word of `ph_num` begins with a vowel or a rest and ends
with the consonants of the next syllable. Files that cut at the written words are read as well, and
the older layout with every field per phone, which has Opencpop's columns.
"""

import itertools
import logging
import math
import re
import reprlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json, write_json
from espnet2_ext.score.formats.aliases import rest_phone
from espnet2_ext.score.formats.losses import losses_of_file
from espnet2_ext.score.formats.note_names import midi_to_name, name_to_midi
from espnet2_ext.score.formats.opencpop import parse_line
from espnet2_ext.score.formats.sequence import in_sequence
from espnet2_ext.score.formats.sung_words import SungWord, as_read, respelled, score_of, words_of
from espnet2_ext.score.lyrics.languages import Language, language_of
from espnet2_ext.score.music_score import (
    REST_MIDI,
    REST_PHONES,
    SILENCE,
    SLUR_LYRIC,
    MusicScore,
)
from espnet2_ext.score.phones import is_hanzi

MAX_BYTES = 64 * 2**20
_KEPT = {"offset", "text", "ph_seq", "ph_dur", "ph_num", "note_seq", "note_dur", "note_slur"}
_KEPT |= {"input_type", "name", "lang", "note_dur_seq", "is_slur_seq"}
_NAME = re.compile(r"([A-Ga-g])([#♯b♭]?)(-?[0-9]+)([+-][0-9]+)?")
_NUMBER = re.compile(r"[+-]?[0-9]{1,12}(?:\.[0-9]{0,40})?(?:[eE][+-]?[0-9]{1,2})?")


def _fields(segment: dict[str, Any], key: str, place: str) -> list[str]:
    """Items of a field: a string with spaces, or a list; none where it is missing or null."""
    value = segment.get(key)
    value = "" if value is None else value
    items = value.split() if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(i, str | int | float) for i in items):
        raise UserError(place, reprlib.repr(value), "items with spaces between them", key)
    return [str(item) for item in items]


def _has(segment: dict[str, Any], key: str) -> bool:
    """Whether a field says anything: what a tool leaves to be predicted is empty or null."""
    value = segment.get(key)
    return bool(value.strip() if isinstance(value, str) else value not in (None, []))


def _numbers(segment: dict[str, Any], key: str, count: int, place: str) -> list[float]:
    items = _fields(segment, key, place)
    if len(items) != count:
        raise UserError(place, f"{len(items)} items", f"{count}", key)
    values = []
    for index, item in enumerate(items, 1):
        value = float(item) if _NUMBER.fullmatch(item) else math.nan
        if not 0 <= value < 1e6:
            raise UserError(place, f"item {index} is {item!r:.40}", "not negative", key)
        values.append(value)
    return values


def _midi(name: str, index: int, place: str) -> int:
    """MIDI number of a name, to which a pitch estimator may have added cents."""
    match = _NAME.fullmatch(name)
    try:
        if name == "rest" or match is None:
            return name_to_midi(name)
        step, accidental, octave, _ = match.groups()
        accidental = accidental.replace("♯", "#").replace("♭", "b")
        return name_to_midi(f"{step.upper()}{accidental}{octave}")
    except ValueError as error:
        raise UserError(place, f"item {index}: {error}", "C4, C#4, rest", "note_seq") from None


def _spans(lengths: list[float]) -> list[tuple[float, float]]:
    times = [round(time, 6) for time in itertools.accumulate(lengths, initial=0.0)]
    return list(itertools.pairwise(times))


def _groups(segment: dict[str, Any], place: str) -> list[list[tuple[float, float, int]]]:
    """The notes of each word: (start, end, midi)."""
    names = _fields(segment, "note_seq", place)
    if not names:
        raise UserError(place, "missing or empty", "note names", "note_seq")
    lengths = _numbers(segment, "note_dur", len(names), place)
    slurs = [0.0] * len(names)
    if _has(segment, "note_slur"):
        slurs = _numbers(segment, "note_slur", len(names), place)
    groups: list[list[tuple[float, float, int]]] = []
    for index, (name, (start, end), slur) in enumerate(
        zip(names, _spans(lengths), slurs, strict=True), 1
    ):
        if end <= start:
            raise UserError(place, f"item {index} is {lengths[index - 1]}", "over 0 s", "note_dur")
        note = (start, end, _midi(name, index, place))
        if not slur:
            groups.append([note])
        elif groups:
            groups[-1].append(note)
        else:
            raise UserError(place, "item 1 is a slur", "a slur after a note", "note_slur")
    return groups


def _lyrics(segment: dict[str, Any], sung: int) -> list[str]:
    """The words of `text`, if it has one for each sung word: apart, or hanzi."""
    text = segment.get("text")
    words = [word for word in str(text or "").split() if not rest_phone(word)]
    if len(words) != sung:
        words = [char for char in str(text or "") if is_hanzi(char)]
    return words if len(words) == sung else []


def _words(phones: list[str], counts: list[int], language: Language, place: str) -> list[list[str]]:
    """Phones of each syllable or rest, from words that begin with a vowel or as written."""
    words: list[list[str]] = []
    onset: list[str] = []
    ends = list(itertools.accumulate(counts))
    for index, (count, end) in enumerate(zip(counts, ends, strict=True)):
        own = phones[end - count : end]
        is_rest = own[0] in REST_PHONES
        follows = index + 1 < len(counts) and phones[end] not in REST_PHONES
        cut = len(own)
        if is_rest:
            cut = 1
        elif follows and phones[end] in language.carriers:
            cut = 1 + max(i for i, phone in enumerate(own) if not i or phone in language.carriers)
        stray = {*language.carriers, *REST_PHONES}.intersection(own[cut:])
        if stray or (is_rest and onset) or (own[cut:] and not follows):
            found = f"word {index + 1} is {' '.join([*onset, *own])!r}"
            raise UserError(place, found, "a vowel or rest, then consonants", "ph_num")
        words.append([*onset, *own[:cut]])
        onset = own[cut:]
    return words


def _lead_joined(groups: list[list[tuple[float, float, int]]], counts: list[int]) -> None:
    """Join a first word of consonants alone, which has a note of its own, to the one after it."""
    (start, _, _), (_, end, midi) = groups[0][0], groups[1][0]
    groups[1][0] = (start, end, midi)
    counts[1] += counts[0]
    del groups[0], counts[0]


def _on_rests(groups: list[list[tuple[float, float, int]]], heads: list[str], place: str) -> int:
    """Make one rest of a rest's notes; how many of them have a pitch, as estimators write."""
    pitched = 0
    for number, (group, head) in enumerate(zip(groups, heads, strict=True), 1):
        if head in REST_PHONES:
            pitched += any(midi for _, _, midi in group)
            group[:] = [(group[0][0], group[-1][1], REST_MIDI)]
        elif not all(midi for _, _, midi in group):
            found = f"word {number}, {head!r}, is sung on a rest"
            raise UserError(place, found, "rest with SP or AP alone", "note_seq")
    return pitched


def _rests_filled(phones: list[str], lengths: list[float], counts: list[int]) -> None:
    """Give each word without phones a silence, of no length where phones have lengths."""
    ends = list(itertools.accumulate(counts))
    at = [end for count, end in zip(counts, ends, strict=True) if not count]
    for items, silent in ((phones, SILENCE), (lengths, 0.0)):
        cuts = itertools.pairwise([0, *at, len(items)]) if items else ()
        runs = [items[start:end] for start, end in cuts]
        items[:] = [item for run in runs for item in (silent, *run)][1:]
    counts[:] = [count or 1 for count in counts]


def _heads(phones: list[str], counts: list[int]) -> list[str]:
    """The first phone of each word."""
    starts = itertools.accumulate(counts[:-1], initial=0)
    return [phones[start] for start in starts]


def _expected(words: list[SungWord], language: str) -> list[list[str]] | None:
    """Phones of each word as its lyric is read; None where the lyrics cannot be."""
    rows = [
        (*note, SLUR_LYRIC if index else word.lyric)
        for word in words
        for index, note in enumerate(word.notes)
    ]
    read = iter(as_read(rows, language) or ())
    expected: list[list[str]] = []
    for word in words:
        joined = list(next(read, ()))
        for _ in word.notes[1:]:
            joined += next(read, ())[1:]
        expected.append(joined)
    return expected if all(expected) else None


def _fits(words: list[list[str]], counts: list[int]) -> bool:
    """Whether words as read cover the file's, the first phone of each in its own."""
    heads = [0, *itertools.accumulate(counts)]
    starts = [0, *itertools.accumulate(map(len, words))]
    inside = [
        a <= head < b for head, (a, b) in zip(heads, itertools.pairwise(starts), strict=False)
    ]
    return starts[-1] == heads[-1] and all(inside)


def _read_segment(segment: Any, place: str, language: str) -> tuple[float, MusicScore]:
    """Offset and score of a segment, which begins at 0 s."""
    if not isinstance(segment, dict):
        raise UserError(place, f"a JSON {type(segment).__name__}", "an object with ph_seq")
    offset = 0.0
    if "offset" in segment:
        offset = _numbers({"offset": [segment["offset"]]}, "offset", 1, place)[0]
    if "note_dur_seq" in segment:
        return offset, _read_old(segment, place, language)
    spoken = language_of(language, place)
    known = {*spoken.phones, *REST_PHONES}
    phones = respelled(_fields(segment, "ph_seq", place), language)
    groups = _groups(segment, place)
    if not phones:
        raise UserError(place, "missing or empty", "phones", "ph_seq")
    counts = [int(count) for count in _numbers(segment, "ph_num", len(groups), place)]
    if sum(counts) != len(phones):
        found = f"words of {sum(counts)} phones in all"
        raise UserError(place, found, f"{len(phones)}, as ph_seq", "ph_num")
    lengths = _numbers(segment, "ph_dur", len(phones), place) if _has(segment, "ph_dur") else []
    _rests_filled(phones, lengths, counts)
    rests = [p in REST_PHONES for p in _heads(phones, counts)]
    lyrics = _lyrics(segment, rests.count(False))
    lead = len(counts) > 1 and not spoken.carriers.intersection(phones[: counts[0]])
    if lead and not lyrics and not rests[0] and phones[counts[0]] in spoken.carriers:
        _lead_joined(groups, counts)
        rests = rests[1:]
        lyrics = _lyrics(segment, rests.count(False))
    pitched = _on_rests(groups, _heads(phones, counts), place)
    if pitched:
        logging.warning("%s: %d rests have a pitch, which is not read", place, pitched)
    texts = iter(lyrics)
    words = [
        SungWord(word[0] if rest else next(texts, "".join(word)), group, word)
        for group, word, rest in zip(
            groups, _words(phones, counts, spoken, place), rests, strict=True
        )
    ]
    expected = _expected(words, language)
    if expected and _fits(expected, counts):
        flat = iter(phones)
        for word, read in zip(words, expected, strict=True):
            word.phones = list(itertools.islice(flat, len(read)))
    for phone in phones:
        if phone not in known:
            raise UserError(place, f"phone {phone!r}", f"a phone of {spoken.name}", "ph_seq")
    if lengths:
        times = iter(_spans(lengths))
        for word in words:
            word.times = list(itertools.islice(times, len(word.phones)))
    try:
        return offset, score_of(words, 120.0, language)
    except ValueError as error:
        raise UserError(place, str(error)) from None


def _read_old(segment: dict[str, Any], place: str, language: str) -> MusicScore:
    """A segment with note, note duration and slur for each phone: the columns of Opencpop."""
    if language != "zh":
        raise UserError(place, f"an old segment in {language!r}", "zh", "language")
    text = str(segment.get("text") or "").replace("|", " ")
    text = " ".join(word for word in text.split() if not rest_phone(word))
    keys = ("ph_seq", "note_seq", "note_dur_seq", "ph_dur", "is_slur_seq")
    columns = [" ".join(_fields(segment, key, place)) for key in keys]
    columns[0] = " ".join(respelled(columns[0].split(), language))
    columns[1] = " ".join(
        midi_to_name(_midi(name, i, place)) for i, name in enumerate(columns[1].split(), 1)
    )
    columns[3] = columns[3].strip() or columns[2]
    score = parse_line("|".join(["ds", text, *columns]), place)[1]
    return score if _has(segment, "ph_dur") else replace(score, phones=())


def read_ds(path: str | Path, part: str | None = None, language: str = "zh") -> MusicScore:
    """Read the segments of a file as one score, each at its offset.

    Rests lie between them; where one begins before the last has ended, rests at their edges give
    way. Which consonants close a syllable is known from the text, where it can be read. Curves such
    as `f0_seq` have no place in a score: a warning names them.

    Args:
        path: The file.
        part: Number of the one segment to read, from 1; it then begins at 0 s.
        language: ISO 639 code of text and phones.

    Raises:
        UserError: naming segment and field of the first mistake.
    """
    path = Path(path)
    segments = read_json(path, MAX_BYTES)
    segments = [segments] if isinstance(segments, dict) else segments
    if not isinstance(segments, list) or not segments:
        raise UserError(path, "no segments", "a list of segments")
    numbers = range(1, len(segments) + 1)
    if part is not None:
        numbers = [number for number in numbers if str(number) == part]
        if not numbers:
            raise UserError(path, f"no segment {part!r}", f"1 to {len(segments)}", "part")
    read = [_read_segment(segments[i - 1], f"{path}: segment {i}", language) for i in numbers]
    chosen = [segments[i - 1] for i in numbers]
    unread = sorted(
        {key for segment in chosen for key in segment if key not in _KEPT and _has(segment, key)}
    )
    if unread:
        logging.warning("%s: not read: %s", path, ", ".join(unread))
    if part is not None:
        return read[0][1]
    return in_sequence(read, str(path))


def write_ds(path: str | Path, score: MusicScore) -> list[str]:
    """Write one segment; words begin with vowels, without `ph_dur` where there are no phone times.

    Returns:
        list[str]: What the file does not hold.
    """
    spoken = language_of(score.language, path)
    words = words_of(score)
    phones: list[str] = []
    heads: list[int] = []  # index of the phone that begins each word
    for index, word in enumerate(words):
        carriers = [i for i, phone in enumerate(word.phones) if phone in spoken.carriers]
        heads.append(len(phones) + (carriers[0] if index and carriers else 0))
        phones += word.phones
    notes = [(note, index > 0) for word in words for index, note in enumerate(word.notes)]
    segment: dict[str, Any] = {
        "offset": round(score.notes[0].start_sec, 6),
        "text": " ".join(word.lyric for word in words),
        "ph_seq": " ".join(phones),
        "ph_num": " ".join(str(b - a) for a, b in itertools.pairwise([*heads, len(phones)])),
        "note_seq": " ".join(midi_to_name(midi).split("/")[0] for (_, _, midi), _ in notes),
        "note_dur": _durations([note[:2] for note, _ in notes]),
        "note_slur": " ".join(str(int(slur)) for _, slur in notes),
        "input_type": "phoneme",
    }
    if score.phones:
        segment["ph_dur"] = _durations([time for word in words for time in word.times])
    write_json(path, [segment])
    return losses_of_file(read_ds, path, score)


def _durations(spans: list[tuple[float, float]]) -> str:
    """Differences of rounded times, so that their sums do not drift."""
    return " ".join(f"{round(end, 6) - round(start, 6):.6f}" for start, end in spans)
