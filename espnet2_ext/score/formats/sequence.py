"""Scores one after another on one clock, as the segments of a song are."""

from collections.abc import Sequence
from dataclasses import replace

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.assemble import MIN_GAP_SEC
from espnet2_ext.score.music_score import REST_MIDI, SILENCE, MusicScore, Note, Phone

_LEAST_SEC = 1e-3  # of a rest that gives way to the next segment


def in_sequence(segments: Sequence[tuple[float, MusicScore]], place: str) -> MusicScore:
    """Put scores at their offsets (s): rests between them, gaps shorter than a rest closed.

    Where one begins before the last has ended, the rest that ends the last gives way, then the one
    that begins it. Silences that meet are one. Phone times are kept where all have them.

    Args:
        segments: Offset and score, in order; tempo and language of the first hold.
        place: For errors.

    Raises:
        UserError: naming the segment that begins within a note.
    """
    timed = all(score.phones for _, score in segments)
    notes: list[Note] = []
    phones: list[Phone] = []
    for number, (offset, score) in enumerate(segments, 1):
        own = [_moved(note, offset) for note in score.notes]
        sung = [_moved(phone, offset) for phone in score.phones] if timed else []
        end = notes[-1].end_sec if notes else 0.0
        if own[0].start_sec < end and notes[-1].is_rest:
            end = min(end, max(own[0].start_sec, notes[-1].start_sec + _LEAST_SEC))
        if own[0].start_sec < end and own[0].is_rest and own[0].end_sec > end:
            own[0] = replace(own[0], start_sec=end)
        start = own[0].start_sec
        if start < end:
            found = f"begins at {start:.3f} s, before {end:.3f} s"
            raise UserError(f"{place}: segment {number}", found, "after the one before", "offset")
        if start - end >= MIN_GAP_SEC or (start > end and not notes):
            notes.append(Note(end, start, REST_MIDI, "", (SILENCE,)))
            if timed:
                phones.append(
                    Phone(phones[-1].end_sec if phones else 0.0, 0.0, SILENCE, len(notes) - 1)
                )
        elif notes:
            notes[-1] = replace(notes[-1], end_sec=start)
        if phones:  # the last lasts until the next begins
            phones = _until(phones, max(start, sung[0].start_sec), len(notes) - 1)
        phones += [
            replace(p, start_sec=max(p.start_sec, start), note=p.note + len(notes))
            for p in sung
            if p.end_sec > start
        ]
        notes += own
    try:
        return _silences_joined(replace(segments[0][1], notes=tuple(notes), phones=tuple(phones)))
    except ValueError as error:
        raise UserError(place, str(error)) from None


def _moved(item: Note | Phone, by_sec: float) -> Note | Phone:
    start, end = round(item.start_sec + by_sec, 6), round(item.end_sec + by_sec, 6)
    return replace(item, start_sec=start, end_sec=end)


def _until(phones: list[Phone], end_sec: float, last: int) -> list[Phone]:
    """Phones that end at a time: the last held, or what lies beyond cut; note `last` keeps one."""
    kept = [p for p in phones if p.start_sec < end_sec or p.note == last]
    start = min(kept[-1].start_sec, end_sec)
    return [*kept[:-1], replace(kept[-1], start_sec=start, end_sec=end_sec)]


def _silences_joined(score: MusicScore) -> MusicScore:
    notes: list[Note] = []
    place_of: list[int] = []  # of each note, its index among those that are left
    for note in score.notes:
        joins = notes and note.phones == (SILENCE,) == notes[-1].phones
        if joins:
            notes[-1] = replace(notes[-1], end_sec=note.end_sec)
        else:
            notes.append(note)
        place_of.append(len(notes) - 1)
    phones: list[Phone] = []
    for phone in score.phones:
        moved = replace(phone, note=place_of[phone.note])
        if phones and phones[-1].note == moved.note and moved.phone == SILENCE:
            phones[-1] = replace(phones[-1], end_sec=moved.end_sec)
        else:
            phones.append(moved)
    return replace(score, notes=tuple(notes), phones=tuple(phones))
