"""From performed phones in seconds to frames: the one place that rounds time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from espnet2_ext.score.music_score import MusicScore

SCORE_COLUMNS = 4
PHONE_COLUMN, MIDI_COLUMN, PHONE_INDEX_COLUMN, NOTE_COLUMN = range(SCORE_COLUMNS)
"""Columns of score frames, in the order of `FrameScore`: of the phone, of the nominal note's pitch,
of the phone's index and of the note's."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameScore:
    """What is sung in each frame; frame k covers [k / fps, (k + 1) / fps).

    Args:
        phone_id (np.ndarray): Number of the phone in the phone list (F,).
        midi (np.ndarray): Nominal MIDI number of the phone's note, 0 at rests (F,).
        phone_index (np.ndarray): Which phone of the score (F,).
        note_index (np.ndarray): Which note of the score (F,).
        fps: Frames per second.
    """

    phone_id: np.ndarray
    midi: np.ndarray
    phone_index: np.ndarray
    note_index: np.ndarray
    fps: float

    def __len__(self) -> int:
        return len(self.phone_id)

    def stacked(self) -> np.ndarray:
        """The four columns in the order of the fields, int32 (F, 4)."""
        columns = (self.phone_id, self.midi, self.phone_index, self.note_index)
        return np.stack(columns, axis=1).astype(np.int32)


def round_boundaries(ends_sec: Sequence[float], fps: float) -> np.ndarray:
    """Number of frames of each of n contiguous spans that start at 0.

    Cumulative boundaries are rounded (half up), not durations, so frames never drift. A span that
    gets no frame takes one from a neighbour that has at least two; the sum stays.

    Args:
        ends_sec: Ends of the spans (s), not falling.
        fps: Frames per second.

    Returns:
        np.ndarray: Frames of each span, int64 (n,), summing to round(ends_sec[-1] * fps).
    """
    # Half a microframe keeps 0.25 s at 50 fps at 13 frames, whichever way the float error falls.
    boundaries = np.floor(np.asarray(ends_sec, dtype=np.float64) * fps + 0.5 + 1e-6)
    frames = np.diff(boundaries.astype(np.int64), prepend=0)
    if (frames < 0).any():
        raise ValueError("the ends of the spans fall")
    for index in np.flatnonzero(frames == 0):
        neighbours = [i for i in (index - 1, index + 1) if 0 <= i < len(frames)]
        giver = max(neighbours, key=lambda i: frames[i], default=index)
        if frames[giver] >= 2:
            frames[giver] -= 1
            frames[index] += 1
    return frames


ROUNDINGS = ("cumulative", "per_phone")


def expand(
    score: MusicScore, phone_ids: Mapping[str, int], fps: float, rounding: str = ROUNDINGS[0]
) -> FrameScore:
    """Expand the performed phones of a score into frames.

    Args:
        score: With phones; the first starts at 0.
        phone_ids: Number of each phone in the phone list.
        fps: Frames per second.
        rounding: ``cumulative`` rounds boundaries. ``per_phone`` rounds each duration by itself,
            as ESPnet-SpeechLM does: frames drift from the audio's, and a phone that rounds to none
            disappears.

    Returns:
        FrameScore: F = round(end of the last phone * fps) frames, where boundaries are rounded.

    Raises:
        ValueError: the score has no phones or starts late, or a phone is not in the list.
    """
    if not score.phones:
        raise ValueError("a score without performed phones; predict their durations first")
    if round(score.phones[0].start_sec * fps) > 0:
        raise ValueError(f"the first phone starts at {score.phones[0].start_sec:.3f} s, not at 0")
    for index, phone in enumerate(score.phones):
        if phone.phone not in phone_ids:
            raise ValueError(f"phone {index}: {phone.phone!r} is not in the phone list")
    if rounding == "per_phone":
        seconds = [phone.end_sec - phone.start_sec for phone in score.phones]
        frames = np.rint(np.array(seconds) * fps).astype(np.int64)
    else:
        frames = round_boundaries([phone.end_sec for phone in score.phones], fps)
    phone_index = np.repeat(np.arange(len(score.phones)), frames)
    phone_id = np.array([phone_ids[phone.phone] for phone in score.phones])
    note_index = np.array([phone.note for phone in score.phones])[phone_index]
    midi = np.array([note.midi for note in score.notes])
    return FrameScore(phone_id[phone_index], midi[note_index], phone_index, note_index, fps)
