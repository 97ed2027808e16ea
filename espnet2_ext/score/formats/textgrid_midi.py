"""Words and phones as performed, joined to the notes that a MIDI file has for them."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.assemble import SungNote
from espnet2_ext.score.formats.praat import Interval
from espnet2_ext.score.formats.sung_words import SungWord
from espnet2_ext.score.music_score import REST_MIDI

_LEAST_SEC = 1e-3  # of a rest that the notes leave no room for


@dataclass
class PerformedWord:
    """A word or rest as performed.

    Args:
        lyric: As written; SP or AP for a rest.
        is_rest: Whether it is one.
        span: Its time.
        place: For errors.
        notes: (start, end, midi) of what it is sung on (s).
    """

    lyric: str
    is_rest: bool
    span: Interval
    place: str
    notes: list[tuple[float, float, int]] = field(default_factory=list)


def join_melody(
    words: Sequence[PerformedWord], melody: Sequence[SungNote], end_sec: float
) -> list[SungWord]:
    """Give each word the notes that it is sung on, and each rest the time between them.

    A note belongs to the word that it overlaps most; the first of a word carries the syllable, the
    others are slurs. Where the performer rests and the notes do not, the note before (the one after
    at the start) gives way; where the notes rest and the performer does not, the note before is
    held. The phones of the words are left empty.

    Args:
        words: In time order; unlabelled gaps of less than `assemble.MIN_GAP_SEC` left out.
        melody: In time order.
        end_sec: End of the music (s).

    Raises:
        UserError: a note without a word, or a word without a note.
    """
    _share_out([word for word in words if not word.is_rest], melody)
    for word, after in itertools.zip_longest(words, words[1:]):
        ends = [start for start, _, _ in word.notes[1:]]
        if after is not None and after.notes:
            ends.append(after.notes[0][0])
        for index, end in enumerate(ends[: len(word.notes)]):
            word.notes[index] = (word.notes[index][0], end, word.notes[index][2])
    if words[0].notes:
        words[0].notes[0] = (0.0, *words[0].notes[0][1:])
    runs = itertools.groupby(range(len(words)), key=lambda index: words[index].is_rest)
    for is_rest, run in runs:
        if is_rest:
            _place_rests(words, list(run), end_sec)
    return [SungWord(w.lyric, w.notes, []) for w in words]


def _share_out(sung: Sequence[PerformedWord], melody: Sequence[SungNote]) -> None:
    """Put each note into the word that it overlaps most, words in their order."""
    first = 0
    for note in melody:
        best, most = None, 0.0
        for index in range(first, len(sung)):
            span = sung[index].span
            if span.start_sec >= note.end_sec:
                break
            overlap = min(span.end_sec, note.end_sec) - max(span.start_sec, note.start_sec)
            if overlap > most:
                best, most = index, overlap
        if best is None:
            found = f"from {note.start_sec:.3f} to {note.end_sec:.3f} s no word is sung"
            raise UserError(note.place, found, "a word for each note")
        first = best
        sung[best].notes.append((note.start_sec, note.end_sec, note.midi))
    for word in sung:
        if not word.notes:
            found = f"from {word.span.start_sec:.3f} to {word.span.end_sec:.3f} s there is no note"
            raise UserError(word.place, found, "a note for each word")


def _place_rests(words: Sequence[PerformedWord], run: list[int], end_sec: float) -> None:
    """Give rests that follow each other the time between the notes around them."""
    rests = [words[index] for index in run]
    before = words[run[0] - 1] if run[0] else None
    after = words[run[-1] + 1] if run[-1] + 1 < len(words) else None
    begin = before.notes[-1][1] if before else 0.0
    end = after.notes[0][0] if after else max(end_sec, rests[-1].span.end_sec)
    least = _LEAST_SEC * len(rests)
    if end - begin < least and before:
        start, _, midi = before.notes[-1]
        begin = min(max(rests[0].span.start_sec, (start + end) / 2), end - least)
        before.notes[-1] = (start, begin, midi)
        if begin <= start:
            raise UserError(rests[0].place, "no time between the notes", "a shorter note before")
    elif end - begin < least and after:
        _, stop, midi = after.notes[0]
        end = max(least, min(rests[-1].span.end_sec, stop / 2))
        after.notes[0] = (end, stop, midi)
        if end >= stop:
            raise UserError(rests[0].place, "no time before the first note", "a later note")
    spans = [rest.span.end_sec - rest.span.start_sec for rest in rests]
    shares = [begin, *(begin + (end - begin) * s / sum(spans) for s in itertools.accumulate(spans))]
    for rest, start, stop in zip(rests, shares, shares[1:], strict=False):
        rest.notes = [(start, stop, REST_MIDI)]
