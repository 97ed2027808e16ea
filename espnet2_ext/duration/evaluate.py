"""How far predicted phone times are from a label's."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from espnet2_ext.duration.features import split_note
from espnet2_ext.score.music_score import MusicScore


@dataclass(frozen=True)
class TimingError:
    """Mean absolute errors (ms): of phone starts, and of the lengths of initials and of finals."""

    start_ms: float
    initial_ms: float
    final_ms: float

    def __str__(self) -> str:
        return (
            f"phone starts off by {self.start_ms:.1f} ms, "
            f"initials by {self.initial_ms:.1f} ms, finals by {self.final_ms:.1f} ms"
        )


def compare(predicted: Sequence[MusicScore], labelled: Sequence[MusicScore]) -> TimingError:
    """Compare scores phone by phone; raises ValueError when their phones differ."""
    starts, initials, finals = [], [], []
    for score, label in zip(predicted, labelled, strict=True):
        for ours, theirs in zip(score.phones, label.phones, strict=True):
            if (ours.phone, ours.note) != (theirs.phone, theirs.note):
                raise ValueError(f"phone {ours.phone!r} against {theirs.phone!r}")
            starts.append(ours.start_sec - theirs.start_sec)
            note = label.notes[theirs.note]
            if note.is_rest:
                continue
            error = (ours.end_sec - ours.start_sec) - (theirs.end_sec - theirs.start_sec)
            leads = theirs.phone in split_note(note, label.language, "label").onset
            (initials if leads else finals).append(error)
    means = [1000 * float(np.abs(e).mean()) if e else 0.0 for e in (starts, initials, finals)]
    return TimingError(*means)
