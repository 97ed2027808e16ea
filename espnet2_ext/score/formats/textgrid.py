"""TextGrids of sung phrases: phones and words as performed, notes in a tier or a MIDI file beside.

Tiers are known by name: phones (phone, ph, 音素), words (word, syllables, 音节, 汉字) and notes
(note, pitch, midi, 音高), also as Praat's aligners write them, ``singer - phones``. A tier of notes
has as many intervals as that of words: C4, or rest, for each syllable, slur (``—``) and rest.
"""

import bisect
import itertools
from dataclasses import dataclass
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.aliases import rest_phone
from espnet2_ext.score.formats.assemble import MIN_GAP_SEC, SungNote, assemble
from espnet2_ext.score.formats.losses import losses_of_file
from espnet2_ext.score.formats.midi import read_melody
from espnet2_ext.score.formats.note_names import midi_to_name, name_to_midi
from espnet2_ext.score.formats.praat import Interval, read_textgrid_tiers, write_textgrid_tiers
from espnet2_ext.score.formats.sung_words import SungWord, lyric_of, respelled, score_of
from espnet2_ext.score.formats.textgrid_midi import PerformedWord, join_melody
from espnet2_ext.score.formats.whole_finals import FINALS as WHOLE_FINALS
from espnet2_ext.score.formats.whole_finals import to_opencpop
from espnet2_ext.score.lyrics.languages import language_of
from espnet2_ext.score.music_score import REST_PHONES, SILENCE, SLUR_LYRIC, MusicScore, Note, Phone

TIERS = {
    "phones": ("phones", "phone", "phonemes", "phoneme", "ph", "音素"),
    "words": ("words", "word", "syllables", "syllable", "lyrics", "音节", "汉字"),
    "notes": ("notes", "note", "pitch", "midi", "音高"),
}
_SLURS = frozenset("-–—_~ー+")


def _choose_tiers(path: Path) -> dict[str, list[Interval]]:
    """The tiers that are used, by their kind."""
    tiers = read_textgrid_tiers(path)
    plain = {name.rpartition(" - ")[2].strip().lower(): name for name in tiers}
    chosen = {}
    for kind, names in TIERS.items():
        name = next((plain[name] for name in names if name in plain), None)
        if name is not None:
            chosen[kind] = tiers[name]
    if "words" not in chosen:
        raise UserError(path, f"tiers {', '.join(tiers) or 'none'}", "one of words", "tiers")
    return chosen


def _label(interval: Interval) -> str:
    """A word as lyrics have it; SP or AP for names of rests (``<AP>``, sil), SP where empty."""
    text = interval.text.strip()
    bare = text[1:-1] if text.startswith("<") and text.endswith(">") else text
    return rest_phone(bare) or text or SILENCE


def _inside(tier: list[Interval], span: Interval) -> list[Interval]:
    """Intervals of a tier whose middle lies in a span."""

    def middle(interval: Interval) -> float:
        return (interval.start_sec + interval.end_sec) / 2

    first = bisect.bisect_left(tier, span.start_sec, key=middle)
    return tier[first : bisect.bisect_left(tier, span.end_sec, first, key=middle)]


def _midi(interval: Interval, place: str) -> int:
    name = interval.text.strip()
    try:
        return name_to_midi(midi_to_name(int(name)) if name.isdecimal() else name or "rest")
    except (ValueError, IndexError) as error:
        raise UserError(place, f"{error}", "C4, D#4/Eb4, rest", "notes") from None


@dataclass(frozen=True)
class _Row:
    """A note with its word; without one where neither tier has a label: silence."""

    start_sec: float
    end_sec: float
    midi: int
    lyric: str
    word: Interval | None
    place: str


def _rows(words: list[Interval], notes: list[Interval], path: Path) -> list[_Row]:
    """Notes from 0 s on without gaps."""
    labelled = [[i for i in tier if i.text.strip()] for tier in (words, notes)]
    if len(labelled[0]) == len(labelled[1]):
        words, notes = labelled
    if len(words) != len(notes):
        raise UserError(path, f"{len(notes)} intervals", f"{len(words)}, as words", "notes")
    rows: list[_Row] = []
    end = 0.0
    for number, (word, note) in enumerate(zip(words, notes, strict=True), 1):
        place = f"{path}: word {number} ({word.text})"
        midi, lyric = _midi(note, place), _label(word)
        if (lyric in REST_PHONES) != (midi == 0):
            raise UserError(place, f"note {note.text!r}", "rest with SP or AP alone", "notes")
        if note.start_sec > end:
            rows.append(_Row(end, note.start_sec, 0, SILENCE, None, place))
        end = note.end_sec
        rows.append(_Row(note.start_sec, end, midi, lyric, word, place))
    return rows


def _from_tiers(tiers: dict[str, list[Interval]], path: Path, language: str) -> MusicScore:
    """A score whose notes are a tier, interval for interval those of the words."""
    rows = _rows(tiers["words"], tiers["notes"], path)
    if "phones" not in tiers:
        sung = [SungNote(r.start_sec, r.end_sec, r.midi, r.lyric, r.place) for r in rows]
        return assemble(sung, str(path), 120.0, language)
    notes: list[Note] = []
    phones: list[Phone] = []
    for row in rows:
        names, times = _phones(row, tiers["phones"], phones, language)
        slur = row.lyric in _SLURS
        lyric = SLUR_LYRIC if slur else row.lyric if row.midi else ""
        notes.append(Note(row.start_sec, row.end_sec, row.midi, lyric, tuple(names), slur))
        phones += [Phone(*time, n, len(notes) - 1) for n, time in zip(names, times, strict=True)]
    try:
        score = MusicScore(tuple(notes), tuple(phones), 120.0, language)
        return to_opencpop(score) if language == "zh" else score
    except ValueError as error:
        raise UserError(path, str(error)) from None


def _phones(
    row: _Row, tier: list[Interval], before: list[Phone], language: str
) -> tuple[list[str], list[tuple[float, float]]]:
    """Names and times of the phones in a row's word."""
    inside = [i for i in _inside(tier, row.word) if i.text.strip()] if row.word else []
    if not row.midi and not inside:
        start = before[-1].end_sec if before else 0.0
        end = row.word.end_sec if row.word else max(start, row.end_sec)
        return [row.lyric], [(start, end)]
    names = _names(inside, row.midi == 0, row.place, language)
    return names, [(i.start_sec, i.end_sec) for i in inside]


def _names(inside: list[Interval], is_rest: bool, place: str, language: str) -> list[str]:
    """Phones of a word in its language's names, or in whole finals."""
    names = respelled([_label(i) for i in inside], language)
    if not names:
        raise UserError(place, "no phones", "a phone within the word", "phones")
    known = {*language_of(language).phones, *REST_PHONES}
    known |= {*WHOLE_FINALS} if language == "zh" else set()
    for name in names:
        if name not in known or (name in REST_PHONES) != is_rest:
            raise UserError(place, f"phone {name!r}", f"one of {language}", "phones")
    return names


def _performed_words(tier: list[Interval], path: Path) -> list[PerformedWord]:
    """Words and rests; a slur's mark goes on with the word, as does a short gap without a label."""
    words: list[PerformedWord] = []
    for number, interval in enumerate(tier, 1):
        label = _label(interval)
        length = interval.end_sec - interval.start_sec
        short = not interval.text.strip() and length < MIN_GAP_SEC
        if words and (short or label in _SLURS):
            span = words[-1].span
            words[-1].span = Interval(span.start_sec, interval.end_sec, span.text)
        elif not short:
            place = f"{path}: word {number} ({interval.text})"
            words.append(PerformedWord(label, label in REST_PHONES, interval, place))
    return words


def _from_midi(
    tiers: dict[str, list[Interval]], path: Path, part: str | None, language: str
) -> MusicScore:
    """A score whose notes are those of the MIDI file beside."""
    beside = (path.with_suffix(suffix) for suffix in (".mid", ".midi"))
    midi = next((found for found in beside if found.is_file()), None)
    if midi is None:
        expected = f"one of {', '.join(TIERS['notes'])}, or {path.with_suffix('.mid').name} beside"
        raise UserError(path, "no notes", expected, "tiers")
    melody, tempo, end_sec = read_melody(midi, part)
    words = _performed_words(tiers["words"], path)
    if not any(not word.is_rest for word in words):
        raise UserError(path, "no words", "at least one that is sung", "words")
    sung = join_melody(words, melody, end_sec)
    if "phones" not in tiers:
        notes = [
            SungNote(*note, SLUR_LYRIC if index else word.lyric, word.place)
            for word, joined in zip(words, sung, strict=True)
            for index, note in enumerate(joined.notes)
        ]
        return assemble(notes, str(path), tempo, language)
    for word, joined in zip(words, sung, strict=True):
        inside = [i for i in _inside(tiers["phones"], word.span) if i.text.strip()]
        inside = inside or [word.span] * word.is_rest
        joined.phones = [word.lyric] * word.is_rest or _names(inside, False, word.place, language)
        times = [(i.start_sec, i.end_sec) for i in inside]
        joined.times = [(times[0][0], times[-1][1])] if word.is_rest else times
    _close(sung)
    try:
        score = score_of(sung, tempo, language)
        return to_opencpop(score) if language == "zh" else score
    except ValueError as error:
        raise UserError(path, str(error)) from None


def _close(words: list[SungWord]) -> None:
    """Let each phone last until the next begins, where a short gap without a label lies between."""
    for word, after in itertools.pairwise(words):
        start, end = word.times[-1]
        if 0 < after.times[0][0] - end < MIN_GAP_SEC:
            word.times[-1] = (start, after.times[0][0])


def read_textgrid(path: str | Path, part: str | None = None, language: str = "zh") -> MusicScore:
    """Read a TextGrid.

    Its notes are a tier, or those of the MIDI file of the same name: each MIDI note belongs to the
    word that it overlaps most, and rests stand where the performer rests.

    Args:
        path: The file.
        part: Of the MIDI file; see `read_midi`.
        language: ISO 639 code of words and phones.

    Raises:
        UserError: naming tier, word or note of the first mistake.
    """
    path = Path(path)
    language_of(language, path)
    tiers = _choose_tiers(path)
    if "notes" not in tiers:
        return _from_midi(tiers, path, part, language)
    if part is not None:
        raise UserError(path, "given where notes are a tier", "a MIDI file beside", "part")
    return _from_tiers(tiers, path, language)


def write_textgrid(path: str | Path, score: MusicScore) -> list[str]:
    """Write tiers of notes, words and, where phone times are known, phones.

    A word lies where it is performed, a note where it is written.

    Returns:
        list[str]: What the file does not hold.
    """
    times: list[list[Phone]] = [[] for _ in score.notes]
    for phone in score.phones:
        times[phone.note].append(phone)
    words, notes = [], []
    for note, sung in zip(score.notes, times, strict=True):
        first, last = (sung[0], sung[-1]) if sung else (note, note)
        lyric = SLUR_LYRIC if note.slur else lyric_of(note)
        words.append(Interval(first.start_sec, last.end_sec, lyric))
        notes.append(Interval(note.start_sec, note.end_sec, midi_to_name(note.midi)))
    tiers = [("words", words), ("notes", notes)]
    phones = [Interval(p.start_sec, p.end_sec, p.phone) for p in score.phones]
    write_textgrid_tiers(path, [("phones", phones), *tiers] if phones else tiers)
    return losses_of_file(read_textgrid, path, score)
