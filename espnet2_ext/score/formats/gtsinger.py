"""GTSinger's JSON of an utterance: a list of words, each with its notes, phones and techniques.

The note durations (``note_dur``) are the written score, the phone times the performance; where a
note begins within a word (``note_start``) is performed too, and says which phones it sings.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json, read_text, write_json
from espnet2_ext.score.formats.gtsinger_phones import (
    CODES,
    LANGUAGES,
    RESTS,
    is_vowel,
    read_phone,
    to_learned,
    to_published,
)
from espnet2_ext.score.formats.json_fields import (
    integers,
    require_performed,
    seconds,
    take,
    take_list,
    words,
)
from espnet2_ext.score.formats.losses import losses
from espnet2_ext.score.music_score import REST_PHONES, SLUR_LYRIC, MusicScore, Note, Phone

TECHNIQUES = ("mix", "falsetto", "breathy", "pharyngeal", "vibrato", "glissando")  # codes 1-6
STYLES = ("singing_method", "emotion", "pace", "range")
NEXT_SYLLABLE = "+"  # lyric of a note that sings a further syllable of its word
SNAP_SEC = 0.02  # a note begins where a phone does when the two are this close
_LATE_SEC = 0.01  # the first phone begins the recording
_TEMPO = re.compile(r"<sound\b[^>]*\btempo=[\"'](\d+(?:\.\d+)?)[\"']")
_ALIASES = {"breathy": "breathe"}


@dataclass(frozen=True)
class Annotated:
    """What an utterance's annotation says.

    Args:
        score: With performed phones.
        techniques: For each of those phones the codes of its techniques (1-6, joined by a comma),
            or "0".
        style: The labels of the whole utterance: `STYLES`, where given.
    """

    score: MusicScore
    techniques: tuple[str, ...] = ()
    style: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Published:
    """A phone as annotated: its symbol (SP or AP at rests), its time and technique codes."""

    phone: str
    start_sec: float
    end_sec: float
    code: str = "0"


def parse_words(
    loaded: Any,
    place: str,
    language: str = "zh",
    tempo: float = 120.0,
    own_phones: bool = False,
) -> Annotated:
    """Build the score of an utterance's list of words.

    A phone that is held over the start of the next note is cut there, and goes on as a slur; a
    consonant there begins the next note's syllable.

    Args:
        loaded: The JSON value.
        place: The file, for errors.
        language: ISO 639 code.
        tempo: Beats per minute; the file does not say (the MusicXML beside it does).
        own_phones: Keep the published phones; see `gtsinger_phones`.

    Raises:
        UserError: naming the word and the field that is wrong.
    """
    if language not in CODES:
        raise UserError(place, repr(language), ", ".join(CODES), "language")
    if not isinstance(loaded, list) or not loaded:
        raise UserError(place, type(loaded).__name__, "a list of words")
    builder = ScoreBuilder(place, language)
    for index, word in enumerate(loaded):
        builder.add_word(word, f"{place}: word {index}")
    late = builder.performed[0].start_sec
    if late > _LATE_SEC:
        raise UserError(f"{place}: word 0", f"begins at {late:g} s", "0 s", "ph_start")
    style = {key: word[key] for word in loaded for key in STYLES if isinstance(word.get(key), str)}
    return builder.build(tempo, own_phones, style)


class ScoreBuilder:
    """Notes and phones as they are read."""

    def __init__(self, place: str, language: str) -> None:
        self.place, self.language = place, language
        self.notes: list[Note] = []
        self.performed: list[Phone] = []
        self.published: list[Published] = []

    def add_note(
        self, seconds: float, midi: int, lyric: str, phones: Sequence[Published], slur: bool = False
    ) -> None:
        """Append a note and the phones (as published) that it sings."""
        start = self.notes[-1].end_sec if self.notes else 0.0
        symbols = tuple(phone.phone for phone in phones)
        for phone in phones:
            self.performed.append(
                Phone(phone.start_sec, phone.end_sec, phone.phone, len(self.notes))
            )
        self.notes.append(Note(start, round(start + seconds, 6), midi, lyric, symbols, slur))

    def add_word(self, word: Any, place: str) -> None:
        """Append a word of the list."""
        text = take(word, "word", str, place).strip()
        phones = _phones(word, self.language, place)
        self.published += phones
        midis = integers(take_list(word, "note", place), 127, "note", place)
        count = len(midis)
        lengths = seconds(take_list(word, "note_dur", place, count), "note_dur", place)
        starts = seconds(take_list(word, "note_start", place, count), "note_start", place)
        for index, length in enumerate(lengths):
            if length < 1e-6:
                expected = "more than 0 s"
                raise UserError(place, f"item {index + 1} is {length:g}", expected, "note_dur")
        if phones[0].phone in REST_PHONES:
            if any(midis):
                raise UserError(place, f"{max(midis)} at a rest", "0", "note")
            nominal = sum(lengths) or phones[-1].end_sec - phones[0].start_sec
            self.add_note(nominal, 0, "", phones)
            return
        if not midis or not all(midis):
            raise UserError(place, f"{midis} for {text!r}", "a note, not 0", "note")
        sung = _cut(phones, starts[1:], lambda phone: is_vowel(phone, self.language), place)
        had_vowel = False
        for index, own in enumerate(sung):
            has_vowel = any(is_vowel(phone.phone, self.language) for phone in own)
            goes_on = index > 0 and own[0].phone == sung[index - 1][-1].phone
            slur = index > 0 and (goes_on or not (had_vowel and has_vowel))
            lyric = SLUR_LYRIC if slur else text if index == 0 else NEXT_SYLLABLE
            self.add_note(lengths[index], midis[index], lyric, own, slur)
            had_vowel |= has_vowel

    def build(self, tempo: float, own_phones: bool, style: dict[str, str]) -> Annotated:
        """The score, and the techniques of its phones; raises `UserError`."""
        try:
            score = MusicScore(tuple(self.notes), tuple(self.performed), tempo, self.language)
        except ValueError as error:
            raise UserError(self.place, str(error)) from None
        if not own_phones:
            score = to_learned(score)
        return Annotated(score, _codes(score, self.published), tuple(style.items()))


def _codes(score: MusicScore, published: Sequence[Published]) -> tuple[str, ...]:
    """Technique codes of each performed phone: those of the published one that it lies in."""
    codes, index = [], 0
    for phone in score.phones:
        middle = (phone.start_sec + phone.end_sec) / 2
        while index + 1 < len(published) and published[index].end_sec <= middle:
            index += 1
        codes.append(published[index].code)
    return tuple(codes)


def _phones(word: Any, language: str, place: str) -> list[Published]:
    symbols = words(take_list(word, "ph", place), "ph", place)
    if not symbols:
        raise UserError(place, "empty", "at least one phone", "ph")
    count = len(symbols)
    starts = seconds(take_list(word, "ph_start", place, count), "ph_start", place)
    ends = seconds(take_list(word, "ph_end", place, count), "ph_end", place)
    codes = ["0"] * count
    for number, name in enumerate(TECHNIQUES, 1):
        key = name if name in word or _ALIASES.get(name) not in word else _ALIASES[name]
        if word.get(key):
            flags = integers(take_list(word, key, place, count), 1, key, place)
            codes = join_codes(codes, flags, number)
    rests = [symbol.strip() in RESTS for symbol in symbols]
    phones = []
    for index, (symbol, is_rest) in enumerate(zip(symbols, rests, strict=True)):
        at = f"{place}: ph: item {index + 1}"
        if is_rest and not all(rests):
            raise UserError(at, f"{symbol!r} in a sung word", "rests alone in a word")
        phone = RESTS[symbol.strip()] if is_rest else read_phone(symbol, language, at)
        phones.append(Published(phone, starts[index], ends[index], codes[index]))
    return phones


def join_codes(codes: Sequence[str], flags: Sequence[int], number: int) -> list[str]:
    """Add a technique's code where its flag is set."""
    return [
        (str(number) if code == "0" else f"{code},{number}") if flag else code
        for code, flag in zip(codes, flags, strict=True)
    ]


def _cut(
    phones: list[Published],
    bounds: Sequence[float],
    carries_pitch: Callable[[str], bool],
    place: str,
) -> list[list[Published]]:
    """Share the phones of a word among its notes, which begin at `bounds` (but the first)."""
    inner = [phone.start_sec for phone in phones[1:]]
    snapped = []
    for bound in bounds:
        nearest = min(inner, key=lambda start: abs(start - bound), default=-1.0)
        snapped.append(nearest if abs(nearest - bound) <= SNAP_SEC else bound)
    last_vowel = max((i for i, p in enumerate(phones) if carries_pitch(p.phone)), default=-1)
    sung: list[list[Published]] = [[] for _ in range(len(snapped) + 1)]
    note = 0
    for index, phone in enumerate(phones):
        while note < len(snapped) and snapped[note] <= phone.start_sec and sung[note]:
            note += 1
        start = phone.start_sec
        if carries_pitch(phone.phone) or index > last_vowel:
            while note < len(snapped) and start < snapped[note] < phone.end_sec:
                piece = Published(phone.phone, start, snapped[note], phone.code)
                sung[note].append(piece)
                start = snapped[note]
                note += 1
        elif note < len(snapped) and start < snapped[note] < phone.end_sec and sung[note]:
            note += 1
        sung[note].append(Published(phone.phone, start, phone.end_sec, phone.code))
    for index, own in enumerate(sung):
        if not own:
            found = f"item {index + 1} begins after the last phone of the word"
            raise UserError(place, found, "a phone for each note", "note_start")
    return sung


def format_words(
    score: MusicScore, techniques: Sequence[str] = (), style: Sequence[tuple[str, str]] = ()
) -> list[dict[str, Any]]:
    """Write a score as a list of words; the inverse of `parse_words`, to the microsecond.

    Args:
        score: With performed phones.
        techniques: Codes of each phone; none when empty.
        style: Labels of the utterance.

    Raises:
        UserError: the language is none of GTSinger's, or a note has no performed phone.
    """
    if score.language not in CODES:
        raise UserError("score", repr(score.language), ", ".join(CODES), "language")
    require_performed(score, "score")
    if not techniques:
        techniques = ("0",) * len(score.phones)
    pairs = list(zip(score.phones, techniques, strict=True))
    score = to_published(score)
    found: list[dict[str, Any]] = []
    for index, note in enumerate(score.notes):
        phones = [phone for phone in score.phones if phone.note == index]
        times = [(round(p.start_sec, 6), round(p.end_sec, 6)) for p in phones]
        goes_on = index > 0 and not score.notes[index - 1].is_rest
        if note.is_rest or not (goes_on and (note.slur or note.lyric == NEXT_SYLLABLE)):
            text = f"<{phones[0].phone}>" if note.is_rest else note.lyric or "".join(note.phones)
            found.append(_empty_word(text, times[0][0], style))
        word = found[-1]
        word["note"].append(note.midi)
        word["note_dur"].append(round(round(note.end_sec, 6) - round(note.start_sec, 6), 6))
        word["note_start"].append(times[0][0])
        word["note_end"].append(times[-1][1])
        word["end_time"] = times[-1][1]
        for phone, (start, end) in zip(phones, times, strict=True):
            codes = _code_at(pairs, (start + end) / 2).split(",")
            word["ph"].append(f"<{phone.phone}>" if note.is_rest else phone.phone)
            word["ph_start"].append(start)
            word["ph_end"].append(end)
            for number, name in enumerate(TECHNIQUES, 1):
                word[name].append(str(int(str(number) in codes)))
    for word in found:
        used = [n for n, name in enumerate(TECHNIQUES, 1) if "1" in word[name]]
        word["tech"] = ",".join(map(str, used)) or "0"
    return found


def _code_at(pairs: list[tuple[Phone, str]], time: float) -> str:
    return next((code for phone, code in pairs if time < phone.end_sec), pairs[-1][1])


def _empty_word(text: str, start: float, style: Sequence[tuple[str, str]]) -> dict[str, Any]:
    lists = ("note", "note_dur", "note_start", "note_end", "ph", "ph_start", "ph_end", *TECHNIQUES)
    word: dict[str, Any] = {"word": text, "start_time": start, "end_time": start}
    return word | {key: [] for key in lists} | {"tech": "0"} | dict(style)


def language_of_path(path: str | Path) -> str | None:
    """The language of a file in GTSinger's folders, by the name of one above it; else None."""
    for part in reversed(Path(path).parts):
        if part in LANGUAGES:
            return LANGUAGES[part]
    return None


def tempo_beside(path: str | Path) -> float:
    """Beats per minute of the MusicXML of the same name; 120 where there is none or no tempo."""
    for suffix in (".musicxml", ".xml"):
        beside = Path(path).with_suffix(suffix)
        if beside.is_file():
            written = _TEMPO.search(read_text(beside))
            if written and float(written[1]) > 0:
                return float(written[1])
    return 120.0


def read_annotated(
    path: str | Path,
    language: str | None = None,
    own_phones: bool = False,
    default_language: str = "zh",
) -> Annotated:
    """Read an utterance's JSON, with the tempo of the MusicXML beside it.

    Args:
        path: The file.
        language: ISO 639 code; by default that of the folder it lies in.
        own_phones: Keep the published phones; see `gtsinger_phones`.
        default_language: Where neither says it.

    Raises:
        UserError: naming file, word and field of the first mistake.
    """
    code = language or language_of_path(path) or default_language
    return parse_words(read_json(path), str(path), code, tempo_beside(path), own_phones)


def read_gtsinger(
    path: str | Path,
    language: str | None = None,
    own_phones: bool = False,
    default_language: str = "zh",
) -> MusicScore:
    """The score of an utterance's JSON; see `read_annotated`."""
    return read_annotated(path, language, own_phones, default_language).score


def write_gtsinger(path: str | Path, score: MusicScore) -> list[str]:
    """Write an utterance's JSON.

    Returns:
        What it does not hold of the score.

    Raises:
        UserError: the language is none of GTSinger's, or a note has no performed phone.
    """
    write_json(path, format_words(score))
    back = parse_words(read_json(path), str(path), score.language)
    return losses(score, back.score)
