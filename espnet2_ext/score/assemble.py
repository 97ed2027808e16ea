"""From sung notes as a file gives them to a MusicScore: rests between them, slurs, phones."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from espnet2_ext.errors import UserError
from espnet2_ext.score.music_score import (
    REST_MIDI,
    REST_PHONES,
    SILENCE,
    SLUR_LYRIC,
    MusicScore,
    Note,
)
from espnet2_ext.score.phones import is_hanzi, lyrics_to_syllables, syllable_to_phones

MIN_GAP_SEC = 0.06  # players release notes early; a shorter gap is no rest
MAX_OVERLAP_SEC = 0.06
_SLURS = frozenset("-–—_~ー+")
_EDGES = re.compile(r"^[\s\W_]+|[\s\W_]+$")


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


def split_lyrics(text: str) -> list[str]:
    """Cut lyrics into one item per note: a hanzi, a pinyin syllable, or a dash for a slur."""
    items: list[str] = []
    for word in text.split():
        if word in _SLURS:
            items.append(word)
            continue
        run = ""
        for char in word:
            if is_hanzi(char):
                items += [run] if run else []
                items.append(char)
                run = ""
            elif char.isalnum() or char == ":":
                run += char
            elif run:
                items.append(run)
                run = ""
        items += [run] if run else []
    return items


def _clean(lyric: str | None) -> str:
    if lyric is None or lyric.strip() in _SLURS:
        return SLUR_LYRIC
    return _EDGES.sub("", lyric) or SLUR_LYRIC


def _syllables(notes: Sequence[SungNote]) -> list[str]:
    """Pinyin of each note; hanzi of one phrase are read together, so phrases settle readings."""
    syllables: list[str] = []
    run: list[SungNote] = []

    def read_run() -> None:
        text = "".join(_clean(note.lyric) for note in run)
        syllables.extend(lyrics_to_syllables(text, run[0].place if run else "lyrics"))
        run.clear()

    for note in notes:
        lyric = _clean(note.lyric)
        if len(lyric) == 1 and is_hanzi(lyric):
            if run and note.start_sec - run[-1].end_sec > 1.0:
                read_run()
            run.append(note)
            continue
        read_run()
        read = lyrics_to_syllables(lyric, note.place)
        if len(read) != 1:
            raise UserError(note.place, f"{len(read)} syllables {lyric!r} on one note", "one")
        syllables += read
    read_run()
    return syllables


def assemble(
    sung: Sequence[SungNote],
    place: str,
    tempo: float,
    language: str = "zh",
    end_sec: float = 0.0,
) -> MusicScore:
    """Build a score of notes with their phones; phone times stay unknown.

    Gaps become rests (SP), from 0 s on; gaps and overlaps of a few hundredths of a second, as
    players make them, are closed. A note without a lyric goes on with the previous syllable.

    Args:
        sung: Notes in time order.
        place: The file.
        tempo: Beats per minute.
        language: ISO 639 code; only Mandarin (zh) has phones.
        end_sec: End of the music, where a last rest is known (s).

    Raises:
        UserError: naming the first note that overlaps, has no lyric or no phones.
    """
    if language != "zh":
        raise UserError(place, f"lyrics in {language!r}", "zh", "language")
    if not sung:
        raise UserError(place, "no notes", "at least one sung note")
    sung = _close_gaps(sung)
    lyrics = [_clean(note.lyric) for note in sung]
    words = [n for n, lyric in zip(sung, lyrics, strict=True) if _is_word(lyric)]
    syllables = iter(_syllables(words))
    notes: list[Note] = []
    final: str | None = None
    for note, lyric in zip(sung, lyrics, strict=True):
        previous_end = notes[-1].end_sec if notes else 0.0
        if note.start_sec > previous_end:
            notes.append(Note(previous_end, note.start_sec, REST_MIDI, "", (SILENCE,)))
            final = None
        start, end = note.start_sec, note.end_sec
        if lyric in REST_PHONES:
            notes.append(Note(start, end, REST_MIDI, "", (lyric,)))
            final = None
        elif lyric == SLUR_LYRIC:
            if final is None:
                raise UserError(note.place, "a note without a lyric after a rest", "a syllable")
            notes.append(Note(start, end, note.midi, lyric, (final,), slur=True))
        else:
            phones = syllable_to_phones(next(syllables), note.place)
            notes.append(Note(start, end, note.midi, lyric, phones))
            final = phones[-1]
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
