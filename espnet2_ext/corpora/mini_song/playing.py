"""What a band is asked to play, and who can play it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

DRUMS = {"kick": 36, "snare": 38, "clap": 39, "pedal": 44, "hat": 42, "shaker": 70, "ride": 51}
"""Each drum's key in General MIDI's percussion map."""


@dataclass(frozen=True, slots=True)
class PlayedNote:
    """A note of the accompaniment.

    Args:
        instrument: Of `genres.CHORDAL`, ``bass`` or one of `DRUMS`.
        start_sec: Start (s).
        seconds: How long it is held (s); drums ring as they do.
        midi: MIDI number; of no meaning for drums.
        velocity: How hard it is played, 0 to 1.
    """

    instrument: str
    start_sec: float
    seconds: float
    midi: int
    velocity: float


class Band(Protocol):
    """Who plays."""

    def play(self, notes: Sequence[PlayedNote], seconds: float) -> np.ndarray:
        """The sound of notes (N,) at the band's sampling rate, `seconds` long."""
        ...
