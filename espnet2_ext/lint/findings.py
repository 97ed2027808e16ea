"""What the linter finds: kinds, their meaning and weight, and findings as records."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from espnet2_ext.errors import UserError

_T = TypeVar("_T")
ERROR, WARNING = "error", "warning"
WORST = 10.0


@dataclass(frozen=True)
class Kind:
    """A kind of finding.

    Args:
        severity: ``error``: it cannot be used as it is; ``warning``: it can, and harms.
        excludes: Whether its utterances are better left out of training.
        meaning: In a few words.
    """

    severity: str
    excludes: bool
    meaning: str


KINDS = {
    "table": Kind(ERROR, False, "a table or score file is missing or unreadable"),
    "id": Kind(
        ERROR,
        True,
        "ids are duplicate, unsorted, not the same in all tables, or cannot name a file",
    ),
    "label": Kind(ERROR, True, "the label or transcription line cannot be read"),
    "score": Kind(ERROR, True, "the score is impossible, or is not what label or text say"),
    "phone": Kind(ERROR, True, "a phone is not of the corpus' phone set"),
    "audio_file": Kind(ERROR, True, "the audio is missing, unreadable, empty or no sound"),
    "segment": Kind(ERROR, True, "a segment is malformed or not within its recording"),
    "rate": Kind(ERROR, False, "the sampling rate is not that of the others"),
    "audio_short": Kind(ERROR, True, "the audio ends before its label"),
    "audio_long": Kind(WARNING, True, "the audio goes on long after its label"),
    "silent": Kind(ERROR, True, "the audio is silence throughout"),
    "channels": Kind(WARNING, True, "channels hold different sounds, which are mixed"),
    "clipped": Kind(WARNING, False, "the waveform is cut flat at its peaks"),
    "dc": Kind(WARNING, False, "the waveform is off centre"),
    "empty_band": Kind(WARNING, False, "the top of the spectrum is empty: resampled up, or lossy"),
    "rest_energy": Kind(WARNING, True, "a voice sounds where the label rests"),
    "silent_note": Kind(WARNING, True, "nothing sounds where the label sings"),
    "cut_onset": Kind(WARNING, True, "the first consonant is missing from the audio"),
    "octave": Kind(WARNING, True, "notes are sung an octave or more off"),
    "melody": Kind(WARNING, True, "most notes are off: another melody or key, or a wrong rate"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: its line of text, and what sorts and draws it.

    Args:
        kind: A key of `KINDS`.
        place: File, ``file:line`` or ``file: utterance``.
        found: What was found there, in words.
        expected: What was expected; empty when `found` says it all.
        field: The field, key or column, if there is one.
        utt: The utterance; empty for what concerns a whole file.
        badness: 1 just past the threshold, `WORST` when there is nothing worse.
        start_sec: Where in the utterance's audio it begins, if it has a place there.
        end_sec: And ends.
    """

    kind: str
    place: str
    found: str
    expected: str = ""
    field: str = ""
    utt: str = ""
    badness: float = WORST
    start_sec: float | None = None
    end_sec: float | None = None

    @property
    def severity(self) -> str:
        return KINDS[self.kind].severity

    def __str__(self) -> str:
        return str(UserError(self.place, self.found, self.expected, self.field))


@dataclass
class Findings:
    """Findings in the making, of one utterance or of a file.

    Args:
        utt: Whose they are.
        items: What was found.
    """

    utt: str = ""
    items: list[Finding] = field(default_factory=list)

    def add(
        self, kind: str, place: object, found: str, expected: str = "", field: str = "",
        utt: str | None = None, badness: float = WORST,
        span: tuple[float, float] | tuple[None, None] = (None, None),
    ) -> None:  # fmt: skip
        """Note a finding; `span` is its place in the utterance's audio (s)."""
        utt = self.utt if utt is None else utt
        badness = min(WORST, max(1.0, badness))
        self.items.append(Finding(kind, str(place), found, expected, field, utt, badness, *span))

    def take(self, kind: str, read: Callable[..., _T], *args: object) -> _T | None:
        """Run a reader and keep its error as a finding; None then."""
        try:
            return read(*args)
        except UserError as error:
            self.add(kind, error.place, error.found, error.expected, error.field)
            return None
