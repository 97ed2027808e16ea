"""Is the tune right? F0 metrics that voicing alone cannot win.

All of them work on one grid of frames (`fps` a second, F0 sampled at the middle of a frame, 0
where unvoiced) over the time that the reference lasts: a hypothesis that is longer is cut, and
one that is shorter counts as unvoiced where it is missing.

Judged frames are those where the score sings a final (initials have no tune of their own) and
both sides are voiced. The nominal note is the one written, so vibrato, glides and a detuned singer
cost the ground truth too.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from espnet2_ext.audio.pitch import midi_to_hz
from espnet2_ext.metrics.versa_f0_mcd import pearson
from espnet2_ext.score.lyrics.languages import nucleus_of
from espnet2_ext.score.music_score import MusicScore

TOLERANCE_CENTS = 50.0
CENTS_PER_OCTAVE = 1200.0


@dataclass(frozen=True)
class SungFinals:
    """Where the score sings a final, on a grid of frames.

    Args:
        note: Index of the sung note (T,); -1 where no final is sung.
        midi: Nominal MIDI number (T,); 0 where no final is sung.
    """

    note: np.ndarray
    midi: np.ndarray


@dataclass(frozen=True)
class MusicalScores:
    """Metrics of one utterance.

    Args:
        f0_corr: Pearson correlation of F0 (Hz) over judged frames; 0 where fewer than two are
            left or either side is constant.
        cents_rmse: RMS of the difference to the reference over judged frames (cents); NaN without.
        semitone_acc: Share of judged frames within 50 cents of the nominal note; 0 without.
        note_acc: Share of notes whose median F0 over the final is within 50 cents of the nominal
            note; a note with no voiced frame is wrong. NaN for a score without sung notes.
        vuv_error: Share of all frames where voicing differs.
        n_frames: Judged frames.
        n_notes: Sung notes.
    """

    f0_corr: float
    cents_rmse: float
    semitone_acc: float
    note_acc: float
    vuv_error: float
    n_frames: int
    n_notes: int


def cents(f0: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Interval from `reference` to `f0`, both Hz and positive."""
    return CENTS_PER_OCTAVE * np.log2(f0 / reference)


def log_f0_rmse(f0: np.ndarray, reference: np.ndarray) -> float:
    """RMS difference of natural log F0 over frames voiced in both; NaN where there is none.

    Args:
        f0: Hz (T,), 0 where unvoiced.
        reference: Hz (T,).
    """
    both = (f0 > 0) & (reference > 0)
    if not both.any():
        return float("nan")
    return float(np.sqrt(np.mean(np.log(f0[both] / reference[both]) ** 2)))


def sung_finals(score: MusicScore, n_frames: int, fps: float) -> SungFinals:
    """Mark the frames whose middle lies in the final, or vowel, of a sung note.

    Args:
        score: With phones (performed times).
        n_frames: Length of the grid.
        fps: Frames a second.
    """
    note = np.full(n_frames, -1)
    midi = np.zeros(n_frames, np.int64)
    for index, group in itertools.groupby(score.phones, key=lambda phone: phone.note):
        phones = list(group)
        if score.notes[index].is_rest:
            continue
        phone = phones[nucleus_of([phone.phone for phone in phones], score.language)]
        start, end = (
            min(n_frames, max(0, int(np.ceil(sec * fps - 0.5))))
            for sec in (phone.start_sec, phone.end_sec)
        )
        note[start:end] = index
        midi[start:end] = score.notes[index].midi
    return SungFinals(note, midi)


def fit_length(f0: np.ndarray, n_frames: int) -> np.ndarray:
    """Cut F0 to the reference's length, or let what is missing be unvoiced."""
    return np.pad(f0[:n_frames], (0, max(0, n_frames - len(f0))))


def note_accuracy(f0: np.ndarray, finals: SungFinals) -> tuple[float, int]:
    """Share of notes whose median F0 over the final is within 50 cents, and how many notes.

    Args:
        f0: Hz (T,), 0 where unvoiced; of the length of `finals`.
    """
    notes = np.unique(finals.note[finals.note >= 0])
    right = 0
    for note in notes:
        here = (finals.note == note) & (f0 > 0)
        if here.any():
            nominal = midi_to_hz(finals.midi[here][0])
            right += abs(cents(np.median(f0[here]), nominal)) <= TOLERANCE_CENTS
    return (right / len(notes) if len(notes) else float("nan")), len(notes)


def musical_scores(f0_hyp: np.ndarray, f0_ref: np.ndarray, finals: SungFinals) -> MusicalScores:
    """Compare two F0 contours (Hz, 0 where unvoiced) under a score.

    Args:
        f0_hyp: (T',).
        f0_ref: (T,), of the length of `finals`.

    Raises:
        ValueError: `f0_ref` and `finals` differ in length.
    """
    if len(f0_ref) != len(finals.note):
        raise ValueError(f"{len(f0_ref)} frames of reference, {len(finals.note)} of the score")
    f0_hyp = fit_length(f0_hyp, len(f0_ref))
    judged = (finals.note >= 0) & (f0_hyp > 0) & (f0_ref > 0)
    hyp, ref = f0_hyp[judged], f0_ref[judged]
    corr = pearson(hyp, ref)
    n_frames = int(judged.sum())
    note_acc, n_notes = note_accuracy(f0_hyp, finals)
    if n_frames:
        off = np.abs(cents(hyp, midi_to_hz(finals.midi[judged])))
        semitone_acc = float(np.mean(off <= TOLERANCE_CENTS))
        cents_rmse = float(np.sqrt(np.mean(cents(hyp, ref) ** 2)))
    else:
        semitone_acc, cents_rmse = 0.0, float("nan")
    return MusicalScores(
        f0_corr=0.0 if np.isnan(corr) else corr,
        cents_rmse=cents_rmse,
        semitone_acc=semitone_acc,
        note_acc=note_acc,
        vuv_error=float(np.mean((f0_hyp > 0) != (f0_ref > 0))),
        n_frames=n_frames,
        n_notes=n_notes,
    )
