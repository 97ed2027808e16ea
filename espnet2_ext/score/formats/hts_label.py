"""HTS full-context labels of singing (.lab), as Sinsy, NNSVS and NIT's song databases have them.

Phones and notes are both in the label: a score's label leaves times within a note open, an aligned
one has the times of all phones as performed.
"""

import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.hts_lines import LabelLine, read_lines, without_times_of_notes
from espnet2_ext.score.formats.label_phones import onset_of, phone_of, rest_of_phone
from espnet2_ext.score.formats.sung_words import SungWord, score_of
from espnet2_ext.score.lyrics.languages import Language, language_of
from espnet2_ext.score.music_score import BREATH, REST_MIDI, SILENCE, MusicScore

MAX_DRIFT_SEC = 0.5
"""By how much notes as written may miss the phones that sing them before they are not believed."""
VOWELS_WARNING = "%s: notes begin where their vowels are sung, not as written"


@dataclass
class _LabelNote:
    """The lines of a note, or of a rest, and its phones in the language's names."""

    lines: list[LabelLine]
    phones: list[str]
    vowel: int
    onset: int

    @property
    def is_rest(self) -> bool:
        return self.lines[0].midi == REST_MIDI or self.phones[0] in (SILENCE, BREATH)

    @property
    def place(self) -> str:
        return self.lines[0].place


def _notes(lines: Sequence[LabelLine], spoken: Language) -> list[_LabelNote]:
    """Lines by their notes; silence and breath within a note are notes of their own."""
    notes = []
    for (_, rest), own in itertools.groupby(
        lines, lambda line: (line.note, rest_of_phone(line.phone))
    ):
        run = list(own)
        phones = [rest] if rest else [_phone(line, spoken) for line in run]
        vowel, onset = (0, 0) if rest else (spoken.nucleus(phones), onset_of(phones, spoken))
        notes.append(_LabelNote(run, phones, vowel, onset))
    return notes


def _phone(line: LabelLine, spoken: Language) -> str:
    name = phone_of(line.phone, spoken, line.place)
    if line.midi == REST_MIDI:
        raise UserError(line.place, f"phone {line.phone!r} in a rest", "a note's pitch", "e1")
    return name


def _known(time: float | None, place: str) -> float:
    if time is None:
        raise UserError(place, "-1", "a time where a note begins and ends")
    return time


def _written_starts(notes: Sequence[_LabelNote]) -> list[float] | None:
    """Starts of the notes by their lengths as written; None where these do not fit the phones."""
    start = _known(notes[0].lines[0].start_sec, notes[0].place)
    starts = []
    for index, note in enumerate(notes):
        line = note.lines[0]
        sung = note.lines[min(note.onset, len(note.lines) - 1)].start_sec
        same = index > 0 and notes[index - 1].lines[0].note == line.note
        if same or not line.beats or not line.tempo or sung is None:
            return None
        if abs(start - sung) > MAX_DRIFT_SEC:
            return None
        starts.append(start)
        start += line.beats * 60 / line.tempo
    return starts


def _starts(notes: Sequence[_LabelNote], aligned: bool, path: Path) -> list[float]:
    """Starts of the notes (s)."""
    if not aligned:
        return [_known(note.lines[0].start_sec, note.place) for note in notes]
    starts = _written_starts(notes)
    if starts is None:
        logging.warning(VOWELS_WARNING, path)
        starts = [_known(n.lines[0 if n.is_rest else n.onset].start_sec, n.place) for n in notes]
    return [0.0, *starts[1:]] if starts[0] <= MAX_DRIFT_SEC else starts


def _is_slur(before: _LabelNote | None, note: _LabelNote) -> bool:
    """Whether a note repeats the vowel of the note before, to which it is slurred."""
    if before is None or before.is_rest or note.is_rest or not note.lines[0].slur:
        return False
    return note.phones == before.phones[-1:] and before.vowel == len(before.phones) - 1


def _words(notes: Sequence[_LabelNote], starts: Sequence[float], aligned: bool) -> list[SungWord]:
    words: list[SungWord] = []
    before: _LabelNote | None = None
    end_sec = _known(notes[-1].lines[-1].end_sec, notes[-1].place)
    ends = [*starts[1:], max(end_sec, starts[-1] + 1e-3)]
    for note, start, end in zip(notes, starts, ends, strict=True):
        if end <= start:
            raise UserError(note.place, f"a note from {start:.3f} to {end:.3f} s", "some length")
        span = (start, end, REST_MIDI if note.is_rest else note.lines[0].midi)
        if _is_slur(before, note):
            words[-1].notes.append(span)
            if aligned:
                words[-1].times[-1] = (words[-1].times[-1][0], note.lines[0].end_sec or 0.0)
        else:
            times = [(line.start_sec or 0.0, line.end_sec or 0.0) for line in note.lines]
            times = [(times[0][0], times[-1][1])] if note.is_rest else times
            lyric = note.phones[0] if note.is_rest else "".join(note.phones)
            words.append(SungWord(lyric, [span], note.phones, times if aligned else []))
        before = note
    return words


def read_label(
    path: str | Path, language: str | None = None, default_language: str = "ja"
) -> MusicScore:
    """Read a full-context label.

    ``pau`` and ``sil`` are silence, ``br`` is a breath. A note that repeats the vowel of the one
    before, to which it is slurred, is a slur. Where all times are known the score has its phones as
    performed, and notes as long as the label's context says; where these miss the phones by more
    than `MAX_DRIFT_SEC`, notes begin at their vowels, with a warning. The tempo is the one of the
    first note.

    Args:
        path: A .lab.
        language: ISO 639 code; by default what the label says.
        default_language: Where neither says it.

    Raises:
        UserError: naming the line of the first mistake; a mono label, which has no notes.
    """
    path = Path(path)
    lines = read_lines(path)
    lines = without_times_of_notes(lines, [bool(rest_of_phone(line.phone)) for line in lines])
    said = next((line.language for line in lines if line.language), None)
    spoken = language_of(language or said or default_language, path)
    notes = _notes(lines, spoken)
    aligned = all(None not in (line.start_sec, line.end_sec) for line in lines)
    words = _words(notes, _starts(notes, aligned, path), aligned)
    sung = [note.lines[0] for note in notes if not note.is_rest]
    tempo = next((line.tempo for line in [*sung, *lines] if line.tempo), 120.0)
    try:
        return score_of(words, tempo, spoken.code)
    except ValueError as error:
        raise UserError(path, str(error)) from None
