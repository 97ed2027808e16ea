"""Expressiveness of a system's wavs against the recordings: from files to a row with intervals."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from espnet2_ext.audio.wav import read_wav
from espnet2_ext.evaluation.bootstrap import Interval, bootstrap
from espnet2_ext.judges.f0 import Extractor, ceiling_of
from espnet2_ext.metrics.expressiveness import (
    NotePitch,
    global_variance,
    laplacian_variance,
    note_pitches,
    onset_deviations,
    within_variance,
)
from espnet2_ext.metrics.musical import fit_length, sung_finals
from espnet2_ext.score.music_score import MusicScore


@dataclass(frozen=True)
class Expression:
    """What one recording of a score shows.

    Args:
        notes: Pitch of its sung notes, by index of the note.
        laplacian: Variance of the Laplacian of its log-mel.
        bands: Variance over time of each mel band (n_mels,).
    """

    notes: Mapping[int, NotePitch]
    laplacian: float
    bands: np.ndarray


@dataclass(frozen=True)
class Pair:
    """A system's and a singer's recording of one utterance."""

    hyp: Expression
    ref: Expression


def express(
    path: str,
    score: MusicScore,
    n_frames: int | None,
    extract: Extractor,
    log_mel: Callable[[np.ndarray], np.ndarray],
    fs: int,
    fps: float,
) -> tuple[Expression, int]:
    """Measure a wav.

    Args:
        path: Wav.
        score: With the phones that it was sung with.
        n_frames: Frames of the reference's F0; None for the reference itself.
        extract: Gives `fps` frames of F0 a second.
        log_mel: Samples (N,) at `fs` -> (T', n_mels).
        fs: Rate of the mel (Hz).
        fps: Frames a second of the F0.

    Returns:
        The measurements, and the frames of its F0.
    """
    wav, _ = read_wav(path, fs)
    f0 = extract(wav, fs, ceiling_of(score))
    if n_frames is not None:
        f0 = fit_length(f0, n_frames)
    notes = note_pitches(f0, sung_finals(score, len(f0), fps), fps)
    mel = log_mel(wav)
    return (
        Expression({n.note: n for n in notes}, laplacian_variance(mel), global_variance(mel)),
        len(f0),
    )


def summarize_expression(
    pairs: Mapping[str, Pair], takes: Sequence[Sequence[str]]
) -> dict[str, Interval]:
    """One row: the system's values as ratios to the recordings', drawn by utterance.

    Notes count where both recordings have them. `takes_*` are ratios of variances over takes of one
    score, drawn by score.

    Args:
        pairs: By utterance.
        takes: Groups of utterances that sing the same score.
    """
    utts = sorted(pairs)
    row = {
        "f0_spread": _ratio(pairs, utts, "spread_cents"),
        "vibrato_depth": _ratio(pairs, utts, "vibrato_cents"),
        "vibrato_hz": _ratio(pairs, utts, "vibrato_hz"),
        "deviation_var": _variance_ratio(
            [list(_by_note(pairs[utt], "deviation_cents").values()) for utt in utts]
        ),
        "mel_laplacian": _sum_ratio(
            [pairs[u].hyp.laplacian for u in utts], [pairs[u].ref.laplacian for u in utts]
        ),
        "mel_gv": _sum_ratio(
            [float(np.mean(pairs[u].hyp.bands / pairs[u].ref.bands)) for u in utts],
            [1.0] * len(utts),
        ),
    }
    groups = [[u for u in group if u in pairs] for group in takes]
    groups = [group for group in groups if len(group) > 1]
    for name in ("deviation_cents", "spread_cents", "vibrato_cents"):
        both = {utt: _by_note(pair, name) for utt, pair in pairs.items()}
        row[f"takes_{name}"] = _takes_ratio(both, groups)
    return row


def summarize_timing(
    predicted: Mapping[str, MusicScore],
    performed: Mapping[str, MusicScore],
    takes: Sequence[Sequence[str]],
) -> dict[str, Interval | float]:
    """Spread of when finals begin against the beat: of predicted times, of singers', and ratios.

    Args:
        predicted: By utterance, with the phones that a system would sing.
        performed: By utterance, with the phones of the recording.
        takes: Groups of utterances that sing the same score.

    Returns:
        Standard deviations over notes (ms), and ratios of variances with intervals.
    """
    utts = sorted(predicted)
    both: dict[str, dict[int, tuple[float, float]]] = {}
    for utt in utts:
        sides = [onset_deviations(side[utt]) for side in (predicted, performed)]
        notes = sorted(sides[0].keys() & sides[1].keys())
        both[utt] = {note: (sides[0][note], sides[1][note]) for note in notes}

    groups = [[u for u in group if u in both] for group in takes]
    values = np.array([pair for utt in utts for pair in both[utt].values()]).reshape(-1, 2)
    predicted_sd, performed_sd = (1000 * values).std(0) if len(values) else (np.nan, np.nan)
    return {
        "performed_sd_ms": float(performed_sd),
        "predicted_sd_ms": float(predicted_sd),
        "timing_var": _variance_ratio([list(both[utt].values()) for utt in utts]),
        "takes_timing": _takes_ratio(both, [group for group in groups if len(group) > 1]),
    }


def _by_note(pair: Pair, field: str) -> dict[int, tuple[float, float]]:
    """Values of both sides by note, where both have one."""
    found = {}
    for note in sorted(pair.hyp.notes.keys() & pair.ref.notes.keys()):
        values = (getattr(pair.hyp.notes[note], field), getattr(pair.ref.notes[note], field))
        if np.isfinite(values).all():
            found[note] = values
    return found


def _ratio(pairs: Mapping[str, Pair], utts: Sequence[str], field: str) -> Interval:
    """Sum over notes of the system over that of the recordings."""
    sums = [
        np.sum(list(_by_note(pairs[utt], field).values()) or [(0.0, 0.0)], axis=0) for utt in utts
    ]
    return _sum_ratio([s[0] for s in sums], [s[1] for s in sums])


def _sum_ratio(hyp: Sequence[float], ref: Sequence[float]) -> Interval:
    a, b = np.asarray(hyp), np.asarray(ref)
    return bootstrap(len(a), lambda drawn: float(a[drawn].sum() / max(b[drawn].sum(), 1e-12)))


def _variance_ratio(values: Sequence[Sequence[tuple[float, float]]]) -> Interval:
    """Variance over notes of the system over that of the recordings, drawn by utterance.

    From each utterance's sums, so that a draw costs nothing.

    Args:
        values: Of each utterance, the notes' values on both sides.
    """
    sums = np.zeros((len(values), 5))  # count, then sum and sum of squares of either side
    for row, notes in zip(sums, values, strict=True):
        if notes:
            both = np.array(notes)
            row[:] = len(both), *both.sum(0), *(both**2).sum(0)

    def ratio(drawn: np.ndarray) -> float:
        n, hyp, ref, hyp_squares, ref_squares = sums[drawn].sum(0)
        if n < 2:
            return float("nan")
        return float((hyp_squares - hyp**2 / n) / max(ref_squares - ref**2 / n, 1e-12))

    return bootstrap(len(sums), ratio)


def _takes_ratio(
    both: Mapping[str, Mapping[int, tuple[float, float]]], groups: Sequence[Sequence[str]]
) -> Interval:
    """Variance over takes, of each note, of the system over that of the recordings.

    Args:
        both: By utterance and note: the system's value and the recording's.
        groups: Utterances that sing the same score.
    """
    squares = []
    for group in groups:
        notes = set.intersection(*(set(both[utt]) for utt in group))
        sides = [
            within_variance([[both[utt][note][side] for utt in group] for note in sorted(notes)])[0]
            for side in (0, 1)
        ]
        squares.append(sides)
    table = np.array(squares).reshape(-1, 2)
    return _sum_ratio(table[:, 0], table[:, 1])
