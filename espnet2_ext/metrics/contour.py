"""The contour against the take: raw pitch accuracy, log F0, notes as they are sung, vibrato.

The score is not asked what is right here: two takes of a score differ in all three.
"""

from dataclasses import dataclass

import numpy as np

from espnet2_ext.audio.pitch import hz_to_midi
from espnet2_ext.metrics.expressiveness import note_pitches
from espnet2_ext.metrics.musical import TOLERANCE_CENTS, SungFinals, cents, fit_length, log_f0_rmse

GAP_SEC = 0.03
"""Unvoiced time within a note: an extractor's lapse. Most voiceless consonants last longer."""
SMOOTH_SEC = 0.15
"""Of a running median: most of a period of vibrato."""
STEP_SEMITONES = 0.8
"""From a note's pitch to the next note's; vibrato stays within when it is smoothed."""
LEAST_SEC = 0.08
"""Of a note, and of staying at another pitch."""


@dataclass(frozen=True)
class ContourScores:
    """Of one utterance against its recording.

    Args:
        rpa: Share of the recording's voiced frames that are voiced and within 50 cents of it
            (`mir_eval.melody.raw_pitch_accuracy`); NaN without.
        f0_rmse_log: RMS difference of the natural logarithm of F0 over frames voiced in both; NaN
            without. .01 is 17.3 cents.
        rhythm_iou: Mean over the recording's notes (`sung_intervals`) of the largest intersection
            over union with a note of the output; NaN without.
        vibrato_error: Mean over notes where both have one of the difference between their vibrato
            amplitudes (cents); NaN without.
        n_voiced: The recording's voiced frames.
        n_sung: Its notes.
        n_vibrato: Notes with a vibrato on both sides.
    """

    rpa: float
    f0_rmse_log: float
    rhythm_iou: float
    vibrato_error: float
    n_voiced: int
    n_sung: int
    n_vibrato: int


def contour_scores(
    f0_hyp: np.ndarray, f0_ref: np.ndarray, finals: SungFinals, fps: float
) -> ContourScores:
    """Compare two F0 contours (Hz, 0 where unvoiced) without aligning them.

    Args:
        f0_hyp: (T',); cut to the recording's length, or unvoiced where it is missing.
        f0_ref: (T,), of the length of `finals`.
        finals: Where the score sings a final, for the notes that vibrato is measured on.
        fps: Frames a second.
    """
    f0_hyp = fit_length(f0_hyp, len(f0_ref))
    ious = interval_ious(sung_intervals(f0_hyp, fps), sung_intervals(f0_ref, fps))
    hyp, ref = (
        {n.note: n.vibrato_cents for n in note_pitches(f0, finals, fps)} for f0 in (f0_hyp, f0_ref)
    )
    errors = np.array([abs(hyp[note] - ref[note]) for note in sorted(hyp.keys() & ref.keys())])
    errors = errors[np.isfinite(errors)]
    return ContourScores(
        rpa=raw_pitch_accuracy(f0_hyp, f0_ref),
        f0_rmse_log=log_f0_rmse(f0_hyp, f0_ref),
        rhythm_iou=float(np.mean(ious)) if len(ious) else float("nan"),
        vibrato_error=float(np.mean(errors)) if len(errors) else float("nan"),
        n_voiced=int(np.sum(f0_ref > 0)),
        n_sung=len(ious),
        n_vibrato=len(errors),
    )


def raw_pitch_accuracy(f0: np.ndarray, reference: np.ndarray) -> float:
    """Share of the reference's voiced frames whose F0 is within 50 cents; unvoiced is wrong.

    Args:
        f0: Hz (T,), 0 where unvoiced.
        reference: Hz (T,); NaN is returned where it is nowhere voiced.
    """
    voiced = reference > 0
    if not voiced.any():
        return float("nan")
    both = voiced & (f0 > 0)
    right = np.abs(cents(f0[both], reference[both])) < TOLERANCE_CENTS
    return float(right.sum() / voiced.sum())


def sung_intervals(f0: np.ndarray, fps: float) -> np.ndarray:
    """Notes as they are sung: first frame and frame after the last (n, 2), from F0 alone.

    A note ends where the voice does, or where its smoothed pitch leaves the note's median by
    `STEP_SEMITONES` for `LEAST_SEC`. A note that is sung again at the same pitch without a
    voiceless consonant goes on.

    Args:
        f0: Hz (T,), 0 where unvoiced.
        fps: Frames a second.
    """
    from scipy.ndimage import median_filter

    least = max(1, round(LEAST_SEC * fps))
    width = max(1, round(SMOOTH_SEC * fps)) // 2 * 2 + 1
    intervals = []
    for start, end in _voiced_runs(f0, round(GAP_SEC * fps)):
        voiced = np.flatnonzero(f0[start:end] > 0)
        midi = np.interp(np.arange(end - start), voiced, hz_to_midi(f0[start:end][voiced]))
        midi = median_filter(midi, width, mode="nearest")
        begin = 0
        for frame in range(1, len(midi) - least + 1):
            away = np.abs(midi[frame : frame + least] - np.median(midi[begin:frame]))
            if away.min() > STEP_SEMITONES:
                intervals.append((start + begin, start + frame))
                begin = frame
        intervals.append((start + begin, end))
    kept = [interval for interval in intervals if interval[1] - interval[0] >= least]
    return np.array(kept, np.int64).reshape(-1, 2)


def _voiced_runs(f0: np.ndarray, gap: int) -> list[tuple[int, int]]:
    """Stretches of voice (first frame, frame after the last), with gaps of up to `gap` frames."""
    voiced = np.flatnonzero(f0 > 0)
    if not len(voiced):
        return []
    breaks = np.flatnonzero(np.diff(voiced) > gap + 1)
    starts, ends = voiced[np.r_[0, breaks + 1]], voiced[np.r_[breaks, len(voiced) - 1]] + 1
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def interval_ious(hyp: np.ndarray, ref: np.ndarray) -> np.ndarray:
    """The largest intersection over union of every interval of `ref` (n, 2) with one of `hyp`."""
    if not len(hyp) or not len(ref):
        return np.zeros(len(ref))
    ends = np.minimum(hyp[None, :, 1], ref[:, None, 1])
    shared = np.maximum(0, ends - np.maximum(hyp[None, :, 0], ref[:, None, 0]))
    lengths = np.diff(hyp)[None, :, 0] + np.diff(ref)
    return (shared / (lengths - shared)).max(axis=1)
