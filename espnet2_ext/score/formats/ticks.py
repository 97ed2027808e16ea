"""Ticks and seconds: the one clock of the formats that count in fractions of a beat."""

import bisect
import math
from collections.abc import Iterable

from espnet2_ext.score.music_score import MusicScore, Note

TICKS_PER_BEAT = 480
FINE_SEC = 1e-3


def fine_ticks(tempo: float) -> int:
    """Ticks per beat, a multiple of `TICKS_PER_BEAT`, that are at most `FINE_SEC` long."""
    return TICKS_PER_BEAT * math.ceil(60 / tempo / FINE_SEC / TICKS_PER_BEAT)


class TempoMap:
    """Tempo changes at ticks, and the time of any tick.

    Args:
        changes: (tick, beats per minute); of several at one tick the last holds.
        ticks_per_beat: Resolution.
        default_bpm: Tempo before the first change.
    """

    def __init__(
        self,
        changes: Iterable[tuple[int, float]] = (),
        ticks_per_beat: int = TICKS_PER_BEAT,
        default_bpm: float = 120.0,
    ) -> None:
        bpms = {0: default_bpm} | dict(sorted(changes, key=lambda change: change[0]))
        self._ticks = sorted(bpms)
        self._bpms = [bpms[tick] for tick in self._ticks]
        self._ticks_per_beat = ticks_per_beat
        self._seconds = [0.0]
        for index, tick in enumerate(self._ticks[1:]):
            self._seconds.append(self._seconds[-1] + self._span(tick - self._ticks[index], index))

    def _span(self, ticks: int, index: int) -> float:
        return ticks * 60.0 / (self._bpms[index] * self._ticks_per_beat)

    def _index(self, tick: int) -> int:
        return bisect.bisect_right(self._ticks, tick) - 1

    def bpm_at(self, tick: int) -> float:
        """Beats per minute in force at a tick."""
        return self._bpms[self._index(tick)]

    def seconds(self, tick: int) -> float:
        """Time of a tick (s)."""
        index = self._index(tick)
        return self._seconds[index] + self._span(tick - self._ticks[index], index)


def note_ticks(
    score: MusicScore, ticks_per_beat: int = TICKS_PER_BEAT
) -> list[tuple[Note, int, int]]:
    """The notes of a score as (note, start tick, end tick) at its one tempo.

    Boundaries are rounded, not lengths, so a time is off by at most half a tick (0.52 ms at 120
    beats per minute) and errors do not add up. A note shorter than a tick gets one, and what
    follows moves by what it lacked.
    """
    rate = score.tempo / 60 * ticks_per_beat
    rows: list[tuple[Note, int, int]] = []
    end = round(score.notes[0].start_sec * rate)
    for note in score.notes:
        start, end = end, max(end + 1, round(note.end_sec * rate))
        rows.append((note, start, end))
    return rows
