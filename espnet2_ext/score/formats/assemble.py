"""From sung notes as a file gives them to a MusicScore: rests between them, slurs, phones."""

import itertools
import logging
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from espnet2_ext.errors import UserError
from espnet2_ext.score.lyrics.languages import Language, Syllable, language_of
from espnet2_ext.score.lyrics.words import NEXT_SYLLABLE, with_plain_hyphens
from espnet2_ext.score.music_score import (
    REST_MIDI,
    REST_PHONES,
    SILENCE,
    SLUR_LYRIC,
    MusicScore,
    Note,
)
from espnet2_ext.score.phones import is_hanzi

MIN_GAP_SEC = 0.06  # players release notes early; a shorter gap is no rest
MAX_OVERLAP_SEC = 0.06
_PHRASE_GAP_SEC = 1.0
_SLURS = frozenset("-–—_~ー+")
_EDGES = re.compile(r"^[\s\W_]+|[\s\W_]+$")
_WORD = re.compile(r"['’]?[^\W_](?:.*(?:[^\W_]|['’-]))?", re.DOTALL)  # with its apostrophes, hyphen


@dataclass(frozen=True, slots=True)
class SungNote:
    """A note of a file before its rests and phones are known.

    Args:
        start_sec: Start (s).
        end_sec: End (s).
        midi: MIDI number.
        lyric: As written; None or a dash where the previous syllable goes on; SP or AP for a rest.
        place: Where it stands, for errors.
    """

    start_sec: float
    end_sec: float
    midi: int
    lyric: str | None
    place: str


def split_lyrics(text: str, language: str = "zh") -> list[str]:
    """Cut lyrics into one item per note, as the language does, or a dash for a slur."""
    split = language_of(language).splitter
    return [item for word in text.split() for item in ([word] if word in _SLURS else split(word))]


def has_syllable(lyric: str | None) -> bool:
    """Whether a lyric has something to sing, not only dashes, ー or punctuation."""
    return any(c.isalnum() and c not in _SLURS for c in lyric or "")


def _clean(lyric: str | None, language: Language) -> str:
    """The lyric without punctuation around it; `SLUR_LYRIC` where there is none."""
    lyric = unicodedata.normalize("NFC", lyric or "").strip()
    if language.hyphens:
        lyric = with_plain_hyphens(lyric)
        word = _WORD.search(lyric)
        return lyric if lyric == NEXT_SYLLABLE else word[0] if word else SLUR_LYRIC
    return SLUR_LYRIC if lyric in _SLURS else _EDGES.sub("", lyric) or SLUR_LYRIC


def _goes_on(before: tuple[SungNote, str], after: tuple[SungNote, str], language: Language) -> bool:
    """Whether two lyrics are read together: parts of a word, or hanzi of a phrase."""
    if language.hyphens:
        return before[1].endswith("-") or after[1] == NEXT_SYLLABLE
    near = after[0].start_sec - before[0].end_sec <= _PHRASE_GAP_SEC
    return near and all(len(lyric) == 1 and is_hanzi(lyric) for _, lyric in (before, after))


def _syllables(words: Sequence[tuple[SungNote, str]], language: Language) -> list[Syllable | None]:
    """The syllable of each note and its lyric; None where the one before goes on."""
    groups: list[list[tuple[SungNote, str]]] = []
    for word in words:
        if groups and _goes_on(groups[-1][-1], word, language):
            groups[-1].append(word)
        else:
            groups.append([word])
    return [syllable for group in groups for syllable in _read_group(group, language)]


def _read_group(group: list[tuple[SungNote, str]], language: Language) -> list[Syllable | None]:
    place = group[0][0].place
    try:
        if language.over_notes:
            return _read_words(group, language.over_notes)
        text = "".join(lyric for _, lyric in group)
        read = language.read(text, place)
    except UserError:
        for note, lyric in group:  # name the note that it is about
            language.read(lyric, note.place)
        raise
    n = len(group)
    if len(read) != n and not (read and language.several_on_a_note):
        on = "one note" if n == 1 else f"{n} notes"
        raise UserError(place, f"{len(read)} syllables {text!r} on {on}", "one on each")
    if len(read) > n:  # the last note sings the rest
        phones = tuple(phone for syllable in read[n - 1 :] for phone in syllable.phones)
        read = [*read[: n - 1], Syllable(read[n - 1].text, phones, language.nucleus(phones))]
    return [*read, *[None] * (n - len(read))]


def _read_words(
    group: list[tuple[SungNote, str]],
    over_notes: Callable[[Sequence[str], object], list[Syllable | None]],
) -> list[Syllable | None]:
    place = group[0][0].place
    syllables = over_notes([lyric for _, lyric in group], place)
    if syllables[0] is None:
        raise UserError(place, f"no phones for {group[0][1]!r}", "a word")
    return syllables


def cut_overlaps(sung: Sequence[SungNote], place: str) -> list[SungNote]:
    """Cut each note where the next begins, as one voice sings them; a warning says how many.

    An overlap of half a note or more is left to `assemble`, which refuses it: it is another voice.
    So is one of a few hundredths of a second, which is closed there.
    """
    notes = list(sung)
    cut: list[float] = []
    for index, (note, after) in enumerate(itertools.pairwise(notes)):
        overlap = note.end_sec - after.start_sec
        shorter = min(note.end_sec - note.start_sec, after.end_sec - after.start_sec)
        if MAX_OVERLAP_SEC < overlap < shorter / 2 - 1e-6:
            notes[index] = replace(note, end_sec=after.start_sec)
            cut.append(overlap)
    if cut:
        found = f"{len(cut)} notes last into the next, by up to {max(cut):.3f} s"
        logging.warning("%s: %s: cut there", place, found)
    return notes


def assemble(
    sung: Sequence[SungNote],
    place: str,
    tempo: float,
    language: str = "zh",
    end_sec: float = 0.0,
    vocalise: bool = False,
) -> MusicScore:
    """Build a score of notes with their phones; phone times stay unknown.

    Gaps become rests (SP), from 0 s on; gaps and overlaps of a few hundredths of a second, as
    players make them, are closed. A note without a lyric goes on with the previous syllable:
    it repeats the vowel, and takes over the consonants that close the syllable.

    Args:
        sung: Notes in time order.
        place: The file.
        tempo: Beats per minute.
        language: ISO 639 code, one of `languages.LANGUAGES`.
        end_sec: End of the music, where a last rest is known (s).
        vocalise: Whether a note without a lyric after a rest sings the vowel of the last syllable
            (before any, of the first), with a warning; else it is refused.

    Raises:
        UserError: naming the first note that overlaps, has no lyric or no phones.
    """
    spoken = language_of(language, place)
    if not sung:
        raise UserError(place, "no notes", "at least one sung note")
    sung = _close_gaps(sung)
    lyrics = [_clean(note.lyric, spoken) for note in sung]
    words = [word for word in zip(sung, lyrics, strict=True) if _is_word(word[1])]
    read = _syllables(words, spoken)
    syllables = iter(read)
    last = next((syllable for syllable in read if vocalise and syllable), None)
    vocalised: list[tuple[str, str]] = []
    notes: list[Note] = []
    held: Syllable | None = None
    for note, lyric in zip(sung, lyrics, strict=True):
        previous_end = notes[-1].end_sec if notes else 0.0
        if note.start_sec > previous_end:
            notes.append(Note(previous_end, note.start_sec, REST_MIDI, "", (SILENCE,)))
            held = None
        start, end = note.start_sec, note.end_sec
        syllable = next(syllables) if _is_word(lyric) else None
        if lyric in REST_PHONES:
            notes.append(Note(start, end, REST_MIDI, "", (lyric,)))
            held = None
        elif syllable is not None:
            notes.append(Note(start, end, note.midi, lyric, syllable.phones))
            held = last = syllable
        elif held is None and vocalise and last:
            vowel = last.phones[last.nucleus]
            vocalised.append((note.place, vowel))
            held = Syllable(last.text if last.phones == (vowel,) else vowel, (vowel,), 0)
            notes.append(Note(start, end, note.midi, held.text, held.phones))
        elif held is None:
            raise UserError(note.place, "a note without a lyric after a rest", "a syllable")
        else:
            vowel, coda = held.phones[held.nucleus], held.phones[held.nucleus + 1 :]
            if coda:  # the last note of a melisma closes the syllable
                before = notes[-1].phones
                notes[-1] = replace(notes[-1], phones=before[: len(before) - len(coda)])
            notes.append(Note(start, end, note.midi, SLUR_LYRIC, (vowel, *coda), slur=True))
    if vocalised:
        vowels = ", ".join(dict.fromkeys(vowel for _, vowel in vocalised))
        found = f"{len(vocalised)} notes without a lyric after a rest, sung on the last vowel"
        logging.warning("%s: %s (%s)", vocalised[0][0], found, vowels)
    if end_sec - notes[-1].end_sec >= MIN_GAP_SEC:
        notes.append(Note(notes[-1].end_sec, end_sec, REST_MIDI, "", (SILENCE,)))
    try:
        return MusicScore(tuple(notes), (), tempo, language)
    except ValueError as error:
        raise UserError(place, str(error)) from None


def _is_word(lyric: str) -> bool:
    return lyric != SLUR_LYRIC and lyric not in REST_PHONES


def _close_gaps(sung: Sequence[SungNote]) -> list[SungNote]:
    closed: list[SungNote] = []
    for note in sung:
        if note.start_sec < 0 or note.end_sec - note.start_sec <= 1e-6:
            found = f"from {note.start_sec:.3f} to {note.end_sec:.3f} s"
            raise UserError(note.place, found, "a note of positive length")
        previous = closed[-1] if closed else None
        previous_end = previous.end_sec if previous else 0.0
        gap = note.start_sec - previous_end
        shortest = previous is None or note.start_sec - previous.start_sec > MAX_OVERLAP_SEC
        if gap < -MAX_OVERLAP_SEC or (gap < 0 and not shortest):
            found = f"starts at {note.start_sec:.3f} s, before {previous_end:.3f} s"
            raise UserError(note.place, f"overlapping notes: {found}", "one voice, note after note")
        if previous is not None and gap < MIN_GAP_SEC:
            closed[-1] = replace(previous, end_sec=note.start_sec)
        elif previous is None and gap < MIN_GAP_SEC:
            note = replace(note, start_sec=0.0)
        closed.append(note)
    return closed
