"""From predicted onsets and initials to phones that fill the phrase exactly."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from espnet2_ext.duration.features import note_targets, split_note
from espnet2_ext.errors import UserError
from espnet2_ext.score.music_score import MusicScore, Phone

MIN_PHONE_SEC = 0.02
MAX_INITIAL_SHARE = 0.6  # of the time between one vowel and the next
CODA_SEC = 0.06  # of each consonant that closes a syllable; the model does not predict it
MAX_CODA_SHARE = 0.4  # of the time between the vowel's start and the next syllable
ONSETS = ("corpus", "vowel", "consonant")


def time_phones(
    score: MusicScore, onset_sec: Sequence[float], initial_sec: Sequence[float]
) -> MusicScore:
    """Perform a score: phones from 0 to the end of the last note, without gaps.

    A note's vowel begins at its nominal start plus `onset_sec`; its initial, the consonants before
    the vowel, lies before that, so it leads the beat and takes its time from the phone before. What
    lies between two vowels is thus the nominal length of the note but for the change in
    `onset_sec`, and the whole phrase keeps its length. Consonants after the vowel end where the
    next syllable begins. Where phones do not fit, initials give way first, then onsets move.

    Args:
        score: Notes with their phones.
        onset_sec: Start of the vowel or rest relative to the note's (N,).
        initial_sec: Length of the initial; not read where there is none (N,).
    """
    notes = [
        split_note(note, score.language, f"note {index + 1}")
        for index, note in enumerate(score.notes)
    ]
    begins: list[tuple[float, float]] = []  # of each note's first phone and of its vowel
    last_onset = 0.0
    for index, (note, parts) in enumerate(zip(score.notes, notes, strict=True)):
        onset = note.start_sec + float(onset_sec[index])
        room = MAX_INITIAL_SHARE * max(0.0, onset - last_onset)
        if not parts.onset:
            begins.append((onset, onset))
        elif index == 0:  # nothing before it to take time from
            onset = min(float(initial_sec[0]), MAX_INITIAL_SHARE * note.end_sec)
            begins.append((0.0, onset))
        else:
            begins.append((onset - min(float(initial_sec[index]), room), onset))
        last_onset = max(last_onset, onset)
    end_sec = score.notes[-1].end_sec
    spans: list[tuple[float, str, int]] = []  # start, phone, note
    ends = [*(first for first, _ in begins[1:]), end_sec]
    for index, (parts, (first, vowel), end) in enumerate(zip(notes, begins, ends, strict=True)):
        step = (vowel - first) / max(1, len(parts.onset))
        spans += [(first + i * step, phone, index) for i, phone in enumerate(parts.onset)]
        spans.append((vowel, parts.vowel, index))
        room = MAX_CODA_SHARE * max(0.0, end - vowel)
        coda = min(CODA_SEC, room / max(1, len(parts.coda)))
        left = range(len(parts.coda), 0, -1)
        spans += [(end - n * coda, p, index) for n, p in zip(left, parts.coda, strict=True)]
    times = _separate([start for start, _, _ in spans], end_sec)
    phones = [
        Phone(float(times[i]), float(times[i + 1]), phone, note)
        for i, (_, phone, note) in enumerate(spans)
    ]
    return replace(score, phones=tuple(phones))


def with_onsets(score: MusicScore, convention: str, place: str = "score") -> MusicScore:
    """Move performed syllables to where a convention has them on the beat.

    Args:
        score: With performed phones.
        convention: ``corpus`` leaves them as the label or the duration model has them; ``vowel``
            begins each vowel at its note's start, with the consonants before it; ``consonant``
            begins each syllable there. Initials keep their length where there is room; rests and
            slurs begin with their notes.
        place: For errors.

    Raises:
        UserError: an unknown convention, or performed phones that are not the notes'.
    """
    if convention not in ONSETS:
        raise UserError(place, f"{convention!r}", ", ".join(ONSETS), "onset")
    if convention == "corpus":
        return score
    initial = note_targets(score, place)[:, 1].tolist()
    lengths = [note.end_sec - note.start_sec for note in score.notes]
    if convention == "vowel":
        return time_phones(score, [0.0] * len(lengths), initial)
    initial = [min(a, MAX_INITIAL_SHARE * b) for a, b in zip(initial, lengths, strict=True)]
    return time_phones(score, initial, initial)


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
