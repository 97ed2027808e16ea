"""MusicScore: the one score that every reader returns and every model takes."""

import math
from dataclasses import dataclass

SILENCE, BREATH = "SP", "AP"
REST_PHONES = (SILENCE, BREATH)
SLUR_LYRIC = "—"
REST_MIDI = 0
_EPSILON_SEC = 1e-6
_TOLERANCE_SEC = 1.001e-3  # labels are often rounded to milliseconds


@dataclass(frozen=True, slots=True)
class Note:
    """A note as written (nominal time).

    Args:
        start_sec: Start (s).
        end_sec: End (s), after the start.
        midi: MIDI number 1-127; 0 for a rest.
        lyric: The syllable; `SLUR_LYRIC` for a slur; empty for a rest.
        phones: Phones of the syllable; for a slur its vowel, on the last one with the consonants
            that close it; (SP,) or (AP,) for a rest; empty while unknown.
        slur: The note goes on singing the previous note's vowel.
    """

    start_sec: float
    end_sec: float
    midi: int
    lyric: str = ""
    phones: tuple[str, ...] = ()
    slur: bool = False

    @property
    def is_rest(self) -> bool:
        return self.midi == REST_MIDI


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone as performed: its time (s), symbol, and the index of its note in the score."""

    start_sec: float
    end_sec: float
    phone: str
    note: int


@dataclass(frozen=True, slots=True)
class MusicScore:
    """A sung phrase: notes (nominal) and, once known, phones (performed).

    Notes are contiguous: gaps between sung notes are rests. Phones are contiguous too, and their
    note indices do not fall. A phone may start before its note: consonants may lead the beat.

    Args:
        notes: In time order.
        phones: In time order; empty until a label or the duration model gives them.
        tempo: Beats per minute.
        language: ISO 639 code of the lyrics.

    Raises:
        ValueError: naming the first note or phone that breaks a rule.
    """

    notes: tuple[Note, ...]
    phones: tuple[Phone, ...] = ()
    tempo: float = 120.0
    language: str = "zh"

    def __post_init__(self) -> None:
        if not self.notes:
            raise ValueError("a score without notes")
        if not (math.isfinite(self.tempo) and self.tempo > 0):
            raise ValueError(f"tempo {self.tempo} is not a positive number")
        _check_contiguous("note", [(n.start_sec, n.end_sec) for n in self.notes])
        for index, note in enumerate(self.notes):
            if not 0 <= note.midi <= 127:
                raise ValueError(f"note {index}: midi {note.midi} outside 0-127")
            if note.slur and (index == 0 or note.is_rest or self.notes[index - 1].is_rest):
                raise ValueError(f"note {index}: a slur without a sung note before it")
        if not self.phones:
            return
        _check_contiguous("phone", [(p.start_sec, p.end_sec) for p in self.phones])
        last = 0
        for index, phone in enumerate(self.phones):
            if not last <= phone.note < len(self.notes):
                raise ValueError(f"phone {index} {phone.phone!r}: note index {phone.note}")
            last = phone.note
            if (phone.phone in REST_PHONES) != self.notes[phone.note].is_rest:
                raise ValueError(f"phone {index} {phone.phone!r}: rest and sung note disagree")

    @property
    def duration_sec(self) -> float:
        """End of the last phone, or of the last note where phones are not known."""
        return (self.phones or self.notes)[-1].end_sec

    @property
    def sounded(self) -> tuple[bool, ...]:
        """For each performed phone whether it is heard as one of its own.

        Not rests, nor the vowel with which a slur goes on; the consonants that close a syllable on
        its last slur are.
        """
        before = (None, *(phone.note for phone in self.phones[:-1]))
        return tuple(
            phone.phone not in REST_PHONES
            and not (self.notes[phone.note].slur and phone.note != note_before)
            for phone, note_before in zip(self.phones, before, strict=True)
        )


def _check_contiguous(kind: str, spans: list[tuple[float, float]]) -> None:
    previous = None
    for index, (start, end) in enumerate(spans):
        if not (math.isfinite(start) and math.isfinite(end)):
            raise ValueError(f"{kind} {index}: time is not a number")
        if start < -_EPSILON_SEC:
            raise ValueError(f"{kind} {index}: starts at {start:.3f} s, before 0")
        if end < start - _EPSILON_SEC or (kind == "note" and end - start < _EPSILON_SEC):
            raise ValueError(f"{kind} {index}: ends at {end:.3f} s, starts at {start:.3f} s")
        if previous is not None and start < previous - _TOLERANCE_SEC:
            raise ValueError(
                f"{kind} {index}: starts at {start:.3f} s, "
                f"before the previous ends ({previous:.3f} s)"
            )
        if previous is not None and start > previous + _TOLERANCE_SEC:
            raise ValueError(
                f"{kind} {index}: starts at {start:.3f} s, after a gap since {previous:.3f} s"
            )
        previous = end
