"""Cutting a long score at its rests, and moving scores in time and pitch."""

from dataclasses import dataclass, replace

from espnet2_ext.score.music_score import REST_MIDI, SILENCE, MusicScore, Note, Phone

MIN_REST_SEC = 0.1


def transpose(score: MusicScore, semitones: int) -> MusicScore:
    """The score with every sung note moved; raises ValueError outside MIDI 1-127."""
    return replace(
        score,
        notes=tuple(n if n.is_rest else replace(n, midi=n.midi + semitones) for n in score.notes),
    )


def without_phones(score: MusicScore) -> MusicScore:
    """The score as written, its performed timing dropped."""
    return replace(score, phones=())


def _rest(start_sec: float, end_sec: float) -> Note:
    return Note(start_sec, end_sec, REST_MIDI, "", (SILENCE,))


@dataclass(frozen=True)
class Part:
    """A stretch of a longer score, sung by itself.

    Args:
        score: From 0 s, padding included.
        first_note: Index in the whole score of this part's first note (the padding not counted).
        start_sec: Time in the whole score at which the part begins, without padding.
        pad_before_sec: Rest added at the start; 0 where the part begins with a rest.
        pad_after_sec: Rest added at the end.
    """

    score: MusicScore
    first_note: int
    start_sec: float
    pad_before_sec: float = 0.0
    pad_after_sec: float = 0.0


def _cut(score: MusicScore, first: int, last: int, start_sec: float, end_sec: float) -> MusicScore:
    """Notes [first, last) between two times, from 0 s; the outermost notes are cut to fit."""

    def clip(item: Note | Phone) -> tuple[float, float]:
        return max(item.start_sec, start_sec) - start_sec, min(item.end_sec, end_sec) - start_sec

    notes = []
    for note in score.notes[first:last]:
        begin, end = clip(note)
        notes.append(replace(note, start_sec=begin, end_sec=end))
    phones = []
    for phone in score.phones:
        begin, end = clip(phone)
        if first <= phone.note < last and end > begin:
            phones.append(Phone(begin, end, phone.phone, phone.note - first))
    return replace(score, notes=tuple(notes), phones=tuple(phones))


def split_at_rests(score: MusicScore, max_sec: float, fps: int, pad_sec: float = 0.0) -> list[Part]:
    """Cut a score in the middle of rests into parts of at most `max_sec` where rests allow it.

    Cuts lie on the frame grid, so the parts' frames add up to the whole's. A stretch without a
    rest of `MIN_REST_SEC` is never cut, however long.

    Args:
        score: Any length.
        max_sec: Longest part wished (s).
        fps: Token frames a second.
        pad_sec: Rest to add where a part begins or ends with a sung note, as training utterances
            begin and end with rests.
    """
    cuts: list[tuple[int, float]] = []  # index of the rest, time of the cut
    start_sec, candidate = 0.0, None
    for index, note in enumerate(score.notes):
        if candidate and note.end_sec - start_sec > max_sec:
            cuts.append(candidate)
            start_sec, candidate = candidate[1], None
        inner = 0 < index < len(score.notes) - 1
        if inner and note.is_rest and note.end_sec - note.start_sec >= MIN_REST_SEC:
            candidate = index, round((note.start_sec + note.end_sec) / 2 * fps) / fps
    parts, first, begin = [], 0, score.notes[0].start_sec
    for index, end in [*cuts, (len(score.notes) - 1, score.duration_sec)]:
        part = _cut(score, first, index + 1, begin, end)
        parts.append(_pad(Part(part, first, begin), pad_sec))
        first, begin = index, end
    return parts


def _pad(part: Part, pad_sec: float) -> Part:
    score = part.score
    before = 0.0 if score.notes[0].is_rest else pad_sec
    after = 0.0 if score.notes[-1].is_rest else pad_sec
    notes = [
        replace(n, start_sec=n.start_sec + before, end_sec=n.end_sec + before) for n in score.notes
    ]
    phones = [
        Phone(p.start_sec + before, p.end_sec + before, p.phone, p.note + (before > 0))
        for p in score.phones
    ]
    if before:
        notes.insert(0, _rest(0.0, before))
        if phones:
            phones.insert(0, Phone(0.0, phones[0].start_sec, SILENCE, 0))
    if after:
        end = notes[-1].end_sec
        notes.append(_rest(end, end + after))
        if phones:
            phones.append(Phone(phones[-1].end_sec, end + after, SILENCE, len(notes) - 1))
    padded = replace(score, notes=tuple(notes), phones=tuple(phones))
    return replace(part, score=padded, pad_before_sec=before, pad_after_sec=after)


def join_phones(score: MusicScore, parts: list[Part]) -> MusicScore:
    """The whole score with the phones of its parts, their padding taken off again."""
    phones: list[Phone] = []
    for part in parts:
        shift = part.start_sec - part.pad_before_sec
        end_sec = part.score.duration_sec - part.pad_after_sec + shift
        for phone in part.score.phones:
            note = part.first_note + phone.note - (part.pad_before_sec > 0)
            begin = max(phone.start_sec + shift, part.start_sec)
            end = min(phone.end_sec + shift, end_sec)
            if end <= begin or not 0 <= note < len(score.notes):
                continue
            if phones and phones[-1].note == note and score.notes[note].is_rest:
                phones[-1] = replace(phones[-1], end_sec=end)  # the rest that was cut
            else:
                phones.append(Phone(begin, end, phone.phone, note))
    return replace(score, phones=tuple(phones))
