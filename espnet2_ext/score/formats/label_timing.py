"""A score with the phone times of a mono label: notes as written, rests where the singer rests."""

import itertools
import logging
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.hts_label import MAX_DRIFT_SEC, VOWELS_WARNING
from espnet2_ext.score.formats.label_align import AlignedWord, LabelPhone, align, label_phones
from espnet2_ext.score.formats.label_phones import onset_of
from espnet2_ext.score.formats.mono_lines import read_mono
from espnet2_ext.score.lyrics.languages import Language, language_of
from espnet2_ext.score.music_score import REST_MIDI, MusicScore, Note, Phone

MIN_REST_SEC = 1e-3
MAX_SHARE = 0.5
"""How much of a note a rest may take that the label has and the score has not."""


@dataclass
class _Syllable:
    """A syllable on the label's clock: its first vowel, and the bounds of its notes (s)."""

    word: AlignedWord
    onset_sec: float
    bounds: list[float]

    @property
    def last(self) -> LabelPhone:
        return [*self.word.vowels, *self.word.coda][-1]


def with_label(score: MusicScore, path: str | Path, score_path: object) -> MusicScore:
    """The score with its phones as the singer of a mono label performs them.

    Notes are as long as written; where all of them are off by the same time the score is moved,
    where they miss their vowels by more than `MAX_DRIFT_SEC` otherwise they begin at the vowels;
    either is a warning. Rests are where the label has them: those that the score does not have
    take their time from the note before, and a rest that is sung through is the note's.

    Args:
        score: Notes with phones; phone times are not read.
        path: The label.
        score_path: The score's file, for errors and warnings.

    Raises:
        UserError: as `read_mono`, or naming the first phone that the score does not have there.
    """
    spoken = language_of(score.language, score_path)
    label = label_phones(read_mono(path), spoken)
    words, after, otherwise = align(score, label, spoken, score_path)
    if not words:
        raise UserError(score_path, "no sung notes", f"the notes of {path}")
    if otherwise:
        logging.warning("%s: %d syllables are sung as spoken, not as written", path, otherwise)
    syllables = [_syllable(word, spoken) for word in words]
    syllables = _placed(syllables, path, score_path)
    end_sec = syllables[-1].bounds[-1] + score.notes[-1].end_sec - words[-1].notes[-1].end_sec
    builder = _Builder(path)
    for syllable in syllables:
        builder.rest(syllable.word.before, syllable.bounds[0])
        builder.sing(syllable)
    if after:
        builder.rest(after, max(end_sec, after[-1].end_sec, builder.end_sec))
    builder.warn()
    try:
        phones = tuple(builder.phones)
        return MusicScore(tuple(builder.notes), phones, score.tempo, score.language)
    except ValueError as error:
        raise UserError(path, str(error)) from None


def _syllable(word: AlignedWord, spoken: Language) -> _Syllable:
    """A syllable where the score has it."""
    phones = [*word.head, word.vowels[0]]
    onset = phones[onset_of([phone.phone for phone in phones], spoken)]
    bounds = [note.start_sec for note in word.notes] + [word.notes[-1].end_sec]
    return _Syllable(word, onset.start_sec, bounds)


def _placed(syllables: list[_Syllable], path: str | Path, score_path: object) -> list[_Syllable]:
    """The syllables on the label's clock: as written, moved, or at their vowels."""
    early = [s.onset_sec - s.bounds[0] for s in syllables]
    if max(map(abs, early)) <= MAX_DRIFT_SEC and not _lacks_room(syllables[0]):
        return syllables
    by_sec = statistics.median(early)
    if max(abs(sec - by_sec) for sec in early) <= MAX_DRIFT_SEC:
        first = syllables[0].bounds[0] + by_sec
        if first >= MIN_REST_SEC or (first >= 0 and not syllables[0].word.before):
            logging.warning("%s: %s is moved by %.3f s to fit", path, score_path, by_sec)
            return [replace(s, bounds=[sec + by_sec for sec in s.bounds]) for s in syllables]
    logging.warning(VOWELS_WARNING, path)
    for syllable, following in itertools.pairwise([*syllables, None]):
        rests = following is None or following.word.before
        stop = syllable.last.end_sec if rests else following.onset_sec
        start, end = syllable.bounds[0], syllable.bounds[-1]
        rate = max(stop - syllable.onset_sec, MIN_REST_SEC) / (end - start)
        moved = [syllable.onset_sec + (sec - start) * rate for sec in syllable.bounds]
        syllable.bounds = moved
    return syllables


def _lacks_room(first: _Syllable) -> bool:
    """Whether the singer rests before a note that the score begins with."""
    return bool(first.word.before) and first.bounds[0] < MIN_REST_SEC


class _Builder:
    """Collects notes without gaps, and their phones."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.notes: list[Note] = []
        self.phones: list[Phone] = []
        self.taken = self.sung_through = 0

    @property
    def end_sec(self) -> float:
        return self.notes[-1].end_sec if self.notes else 0.0

    def rest(self, rests: Sequence[LabelPhone], until_sec: float) -> None:
        """Fill the time until a note begins: with the label's rests, or with the note before."""
        gap = until_sec - self.end_sec
        if not rests:
            if gap > 0 and self.notes:
                self.sung_through += gap >= MIN_REST_SEC
                self.notes[-1] = replace(self.notes[-1], end_sec=until_sec)
            return
        if gap < MIN_REST_SEC * len(rests) and self.notes:
            self.taken += 1
            last = self.notes[-1]
            length = sum(rest.end_sec - rest.start_sec for rest in rests)
            room = MAX_SHARE * (last.end_sec - last.start_sec)
            start = until_sec - min(max(length, MIN_REST_SEC * len(rests)), room)
            self.notes[-1] = replace(last, end_sec=start)
        start, n = self.end_sec, len(rests)
        least = min(MIN_REST_SEC, (until_sec - start) / n)
        for index, rest in enumerate(rests):
            left = n - 1 - index
            end = min(max(rest.end_sec, start + least), until_sec - least * left)
            end = end if left else until_sec
            self.phones.append(Phone(rest.start_sec, rest.end_sec, rest.phone, len(self.notes)))
            self.notes.append(Note(start, end, REST_MIDI, "", (rest.phone,)))
            start = end

    def sing(self, syllable: _Syllable) -> None:
        word, bounds = syllable.word, syllable.bounds
        first = len(self.notes)
        bounds = [self.end_sec, *bounds[1:]]
        names = [p.phone for p in word.head]
        for phone in word.head:
            self._phone(phone, first)
        vowel = word.vowels[0].phone
        coda = [p.phone for p in word.coda]
        for index, note in enumerate(word.notes):
            sung = (*(names if index == 0 else []), vowel)
            sung = (*sung, *coda) if index == len(word.notes) - 1 else sung
            start, end = bounds[index], bounds[index + 1]
            self.notes.append(replace(note, start_sec=start, end_sec=end, phones=tuple(sung)))
        self._vowels(word, bounds, first)
        for phone in word.coda:
            self._phone(phone, len(self.notes) - 1)

    def _vowels(self, word: AlignedWord, bounds: Sequence[float], first: int) -> None:
        """The vowel on each note; held over several, it is cut where the next one is written."""
        *own, held = word.vowels
        for index, phone in enumerate(own):
            self._phone(phone, first + index)
        start = held.start_sec
        for index in range(len(own), len(word.notes)):
            is_last = index == len(word.notes) - 1
            end = held.end_sec if is_last else min(max(bounds[index + 1], start), held.end_sec)
            self.phones.append(Phone(start, end, held.phone, first + index))
            start = end

    def _phone(self, phone: LabelPhone, note: int) -> None:
        self.phones.append(Phone(phone.start_sec, phone.end_sec, phone.phone, note))

    def warn(self) -> None:
        """Say how many rests of the label and of the score the other does not have."""
        if self.taken:
            found = f"{self.taken} rests that the score does not have, taken from the notes before"
            logging.warning("%s: %s", self.path, found)
        if self.sung_through:
            found = f"{self.sung_through} rests of the score are sung through"
            logging.warning("%s: %s", self.path, found)
