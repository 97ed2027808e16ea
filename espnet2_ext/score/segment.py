"""Cutting a long score at its rests, and moving scores in time and pitch."""

from dataclasses import dataclass, replace
from itertools import pairwise

from espnet2_ext.score.music_score import REST_MIDI, REST_PHONES, SILENCE, MusicScore, Note, Phone

MIN_REST_SEC = 0.1
MAX_LATE_SEC = 0.005
"""Of the first note and phone after 0 s: less than half a frame."""
LONG_REST_SEC = 2.0
"""Rests of training utterances are shorter: of a longer silence only the edges are sung."""
KEPT_REST_SEC = 0.5
"""What is sung of a longer silence on either side."""


def transpose(score: MusicScore, semitones: int) -> MusicScore:
    """The score with every sung note moved; raises ValueError outside MIDI 1-127."""
    for index, note in enumerate(score.notes):
        if not note.is_rest and not 1 <= note.midi + semitones <= 127:
            raise ValueError(f"note {index + 1}: midi {note.midi + semitones} outside 1-127")
    return replace(
        score,
        notes=tuple(n if n.is_rest else replace(n, midi=n.midi + semitones) for n in score.notes),
    )


def without_phones(score: MusicScore) -> MusicScore:
    """The score as written, its performed timing dropped."""
    return replace(score, phones=())


def from_zero(score: MusicScore) -> MusicScore:
    """The score with a rest from 0 s to where its notes and phones begin, if that is later.

    Raises:
        ValueError: the first phone is sung on the first note, and does not begin at 0 s.
    """
    notes, phones = list(score.notes), list(score.phones)
    if notes[0].start_sec > MAX_LATE_SEC:
        notes.insert(0, _rest(0.0, notes[0].start_sec))
        phones = [replace(phone, note=phone.note + 1) for phone in phones]
    if phones and phones[0].start_sec > MAX_LATE_SEC:
        begin = phones[0].start_sec
        if phones[0].phone in REST_PHONES:
            phones[0] = replace(phones[0], start_sec=0.0)
        elif notes[0].is_rest:
            phones.insert(0, Phone(0.0, begin, SILENCE, 0))
        else:
            raise ValueError(f"the first phone starts at {begin:.3f} s, not at 0")
    return replace(score, notes=tuple(notes), phones=tuple(phones))


def _rest(start_sec: float, end_sec: float) -> Note:
    return Note(start_sec, end_sec, REST_MIDI, "", (SILENCE,))


@dataclass(frozen=True)
class Part:
    """A stretch of a longer score, sung by itself.

    Args:
        score: From 0 s, padding included.
        start_sec: Time in the whole score at which the part begins, without padding.
        pad_before_sec: Rest added at the start; 0 where the part begins with a rest.
        pad_after_sec: Rest added at the end.
    """

    score: MusicScore
    start_sec: float
    pad_before_sec: float = 0.0
    pad_after_sec: float = 0.0

    @property
    def is_silent(self) -> bool:
        """Whether nothing is to be heard, not even a breath."""
        names = [phone.phone for phone in self.score.phones]
        names = names or [name for note in self.score.notes for name in note.phones]
        return all(name == SILENCE for name in names)


@dataclass(frozen=True)
class _Rest:
    """Where a rest is both written and performed; the cut is its middle on the frame grid."""

    start_sec: float
    end_sec: float
    cut_sec: float
    is_silent: bool
    is_inner: bool


def _rests(score: MusicScore, fps: int) -> list[_Rest]:
    """A score's rests. Where consonants lead the beat, the voice begins before a rest has ended as
    written, and where a vowel is held, it ends after the rest has begun."""
    written = [
        Phone(note.start_sec, note.end_sec, "".join(note.phones), index)
        for index, note in enumerate(score.notes)
    ]
    rests = []
    for phone in score.phones or written:
        note = score.notes[phone.note]
        start = max(note.start_sec, phone.start_sec)
        end = min(note.end_sec, phone.end_sec)
        if note.is_rest and end - start >= max(MIN_REST_SEC, 2 / fps) - 1e-6:
            cut = round((start + end) / 2 * fps) / fps
            inner = 0 < phone.note < len(score.notes) - 1
            rests.append(_Rest(start, end, cut, phone.phone == SILENCE, inner))
    return rests


def _cuts(rests: list[_Rest], start_sec: float, end_sec: float, max_sec: float) -> list[float]:
    """Times at which a stretch is cut: the last rest within reach, of silences where there are."""
    cuts = []
    while end_sec - start_sec > max_sec:
        ahead = [rest for rest in rests if start_sec < rest.cut_sec < end_sec and rest.is_inner]
        if not ahead:
            break
        near = [rest for rest in ahead if rest.cut_sec - start_sec <= max_sec] or ahead[:1]
        start_sec = ([rest for rest in near if rest.is_silent] or near)[-1].cut_sec
        cuts.append(start_sec)
    return cuts


def split_at_rests(score: MusicScore, max_sec: float, fps: int, pad_sec: float = 0.0) -> list[Part]:
    """Cut a score in the middle of rests into parts of at most `max_sec` where rests allow it.

    Cuts lie on the frame grid, and where the rest is both written and performed; in a breath only
    where no silence is near. A stretch without a rest of `MIN_REST_SEC` is never cut, however long.
    Of a silence of more than `LONG_REST_SEC` the middle belongs to no part. But for such silences
    the parts' frames add up to the whole's.

    Args:
        score: Any length.
        max_sec: Longest part wished (s).
        fps: Token frames a second.
        pad_sec: Rest to add where a part begins or ends with a sung note, as training utterances
            begin and end with rests.
    """
    rests, pad_sec = _rests(score, fps), round(pad_sec * fps) / fps
    edges = [0.0]
    for rest in rests:
        if rest.is_silent and rest.end_sec - rest.start_sec > LONG_REST_SEC:
            edges.append(round((rest.start_sec + KEPT_REST_SEC) * fps) / fps)
            edges.append(round((rest.end_sec - KEPT_REST_SEC) * fps) / fps)
    edges.append(score.duration_sec)
    parts = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        for begin, stop in pairwise([start, *_cuts(rests, start, end, max_sec), end]):
            last = stop == edges[-1]  # notes may end after the last phone
            part = Part(_between(score, begin, float("inf") if last else stop), begin)
            parts.append(_pad(part, pad_sec))
    return parts


def _between(score: MusicScore, start_sec: float, end_sec: float) -> MusicScore:
    """What lies between two cuts, from 0 s on; a rest that was cut is part of both sides."""

    def clip(item: Note | Phone) -> tuple[float, float]:
        return max(item.start_sec, start_sec) - start_sec, min(item.end_sec, end_sec) - start_sec

    def lies_inside(item: Note | Phone) -> bool:
        starts_inside = start_sec <= item.start_sec < end_sec
        return starts_inside or item.start_sec < start_sec < item.end_sec

    inside = [index for index, note in enumerate(score.notes) if lies_inside(note)]
    notes = []
    for index in inside:
        begin, end = clip(score.notes[index])
        notes.append(replace(score.notes[index], start_sec=begin, end_sec=end))
    phones = [
        Phone(*clip(phone), phone.phone, phone.note - inside[0])
        for phone in score.phones
        if lies_inside(phone)
    ]
    return replace(score, notes=tuple(notes), phones=tuple(phones))


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
