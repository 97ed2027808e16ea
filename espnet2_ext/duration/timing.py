"""From predicted onsets and initials to phones that fill the phrase exactly."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from espnet2_ext.duration.features import split_note
from espnet2_ext.score.music_score import MusicScore, Phone

MIN_PHONE_SEC = 0.02
MAX_INITIAL_SHARE = 0.6  # of the time between one final and the next


def time_phones(
    score: MusicScore, onset_sec: Sequence[float], initial_sec: Sequence[float]
) -> MusicScore:
    """Perform a score: phones from 0 to the end of the last note, without gaps.

    A note's final begins at its nominal start plus `onset_sec`; its initial lies before that, so it
    leads the beat and takes its time from the phone before. What lies between two finals is thus
    the nominal length of the note but for the change in `onset_sec`, and the whole phrase keeps its
    length. Where phones do not fit, initials give way first, then onsets move.

    Args:
        score: Notes with their phones.
        onset_sec: Start of the final or rest relative to the note's (N,).
        initial_sec: Length of the initial; not read where there is none (N,).
    """
    spans: list[tuple[float, str, int]] = []  # start, phone, note
    last_onset = 0.0
    for index, note in enumerate(score.notes):
        initial, final = split_note(note, f"note {index + 1}")
        onset = note.start_sec + float(onset_sec[index])
        room = MAX_INITIAL_SHARE * max(0.0, onset - last_onset)
        if initial is None:
            spans.append((onset, final, index))
        elif index == 0:  # nothing before it to take time from
            onset = min(float(initial_sec[0]), MAX_INITIAL_SHARE * note.end_sec)
            spans += [(0.0, initial, index), (onset, final, index)]
        else:
            spans += [(onset - min(float(initial_sec[index]), room), initial, index)]
            spans.append((onset, final, index))
        last_onset = max(last_onset, onset)
    end_sec = score.notes[-1].end_sec
    times = _separate([start for start, _, _ in spans], end_sec)
    phones = [
        Phone(float(times[i]), float(times[i + 1]), phone, note)
        for i, (_, phone, note) in enumerate(spans)
    ]
    return replace(score, phones=tuple(phones))


def _separate(starts: Sequence[float], end_sec: float) -> np.ndarray:
    """Boundaries from 0 to `end_sec`, moved as little as keeps every phone a frame long."""
    shortest = min(MIN_PHONE_SEC, end_sec / len(starts))
    times = np.array([0.0, *starts[1:], end_sec])
    for i in range(1, len(times)):
        times[i] = max(times[i], times[i - 1] + shortest)
    times[-1] = end_sec
    for i in range(len(times) - 2, 0, -1):
        times[i] = min(times[i], times[i + 1] - shortest)
    return np.maximum.accumulate(np.maximum(times, 0.0))
