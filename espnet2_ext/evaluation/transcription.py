"""How well a set is transcribed: frames as in Table VI of CoMelSinger, notes as mir_eval counts."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from espnet2_ext.audio.pitch import hz_to_midi
from espnet2_ext.evaluation.bootstrap import bootstrap
from espnet2_ext.metrics.transcription import (
    NoteCounts,
    Notes,
    frame_scores,
    note_counts,
    pooled_counts,
)
from espnet2_ext.score.frames import MIDI_COLUMN, NOTE_COLUMN
from espnet2_ext.score.music_score import MusicScore
from espnet2_ext.transcription.decode import DecodingConfig, decode
from espnet2_ext.transcription.inference import note_rows, pitch_tokens
from espnet2_ext.transcription.net import N_PITCHES

MATCHES = {"COn": "on", "COnP": "onp", "COnPOff": "onpoff"}
F0_SPREAD = 0.7
"""Semitones: of a normal distribution around F0, from which the anchor's notes are decoded."""
_VOICING_NATS = 3.0


@dataclass(frozen=True)
class Transcribed:
    """One utterance: pitch token of each frame (L,), and notes."""

    pitch: np.ndarray
    notes: Notes


def performed_notes(score: MusicScore) -> Notes:
    """The notes as they are sung: from the first of a note's phones to the end of its last."""
    spans: dict[int, tuple[float, float]] = {}
    for phone in score.phones:
        if not score.notes[phone.note].is_rest:
            start = spans.get(phone.note, (phone.start_sec, 0.0))[0]
            spans[phone.note] = (start, phone.end_sec)
    return Notes.of([(*span, score.notes[index].midi) for index, span in spans.items()])


def written_notes(score: MusicScore) -> Notes:
    """The notes as they are written, which singers leave."""
    rows = [(n.start_sec, n.end_sec, n.midi) for n in score.notes if not n.is_rest]
    return Notes.of(rows)


def reference(score_frames: np.ndarray, fps: float) -> Transcribed:
    """What the score's frames (L, 4) say: a note's frames are those of its performed phones."""
    pitch, note = score_frames[:, MIDI_COLUMN], score_frames[:, NOTE_COLUMN]
    starts = np.flatnonzero(np.diff(note, prepend=note[0] - 1))
    ends = [*starts[1:], len(note)]
    rows = [
        (start / fps, end / fps, float(pitch[start]))
        for start, end in zip(starts, ends, strict=True)
        if pitch[start]
    ]
    return Transcribed(pitch, Notes.of(rows))


def from_f0(f0: np.ndarray, n_frames: int, fps: float, config: DecodingConfig) -> Transcribed:
    """An anchor without a model: the recording's F0, rounded to notes by the same search.

    Args:
        f0: Hz, a whole number of values in each token frame, 0 where unvoiced (T,).
        n_frames: Token frames L.
        fps: Of token frames.
        config: Of the search; onsets within a pitch are not known.
    """
    rate = len(f0) // n_frames
    middle = np.array(f0[: n_frames * rate], np.float64).reshape(n_frames, rate)
    voiced = (middle > 0).sum(1)
    mean = middle.sum(1) / np.maximum(voiced, 1)
    midi = hz_to_midi(np.maximum(mean, 1.0))
    log_p = -0.5 * ((np.arange(N_PITCHES) - midi[:, None]) / F0_SPREAD) ** 2
    log_p = np.maximum(log_p, -4 * _VOICING_NATS)
    log_p[voiced == 0] = -_VOICING_NATS
    log_p[:, 0] = np.where(voiced > 0, -_VOICING_NATS, 0.0)
    segments = decode(log_p, None, fps, config)
    return Transcribed(pitch_tokens(segments), Notes.of(note_rows(segments, fps)))


def of_one_pitch(n_frames: int, pitch: int, fps: float) -> Transcribed:
    """The other anchor: one token for all, the commonest of the training set."""
    rows = [(0.0, n_frames / fps, float(pitch))] if pitch else []
    return Transcribed(np.full(n_frames, pitch), Notes.of(rows))


def majority_pitch(sets: Iterable[np.ndarray]) -> int:
    """The commonest pitch token of score frames, each (L, 4)."""
    counts = np.zeros(N_PITCHES, np.int64)
    for frames in sets:
        counts += np.bincount(frames[:, MIDI_COLUMN], minlength=N_PITCHES)
    return int(counts.argmax())


def measure(
    found: Sequence[Transcribed],
    truth: Sequence[Transcribed],
    references: dict[str, Sequence[Notes]] | None = None,
) -> dict[str, dict[str, float | int | None]]:
    """Frame scores, and F1 of notes with its 95% interval over utterances, as plain numbers.

    Args:
        found: Of each utterance.
        truth: Of each utterance.
        references: More notes to count against, by name: each utterance's.

    Returns:
        ``frames`` (accuracy, precision, recall, f1), and for ``notes`` and each of `references`
        the counts and, for COn, COnP and COnPOff, precision, recall, F1 and its interval.
    """
    pairs = list(zip(found, truth, strict=True))
    frames = frame_scores(
        np.concatenate([f.pitch for f, _ in pairs]), np.concatenate([t.pitch for _, t in pairs])
    )
    result: dict[str, dict] = {"frames": asdict(frames)}
    for name, notes in {"notes": [t.notes for t in truth], **(references or {})}.items():
        counts = [note_counts(f.notes, ref) for f, ref in zip(found, notes, strict=True)]
        result[name] = _summary(counts)
    return result


def _summary(counts: Sequence[NoteCounts]) -> dict[str, float | int | None]:
    total = pooled_counts(counts)
    summary: dict[str, float | int | None] = {"n_ref": total.n_ref, "n_est": total.n_est}
    for name, field in MATCHES.items():
        interval = bootstrap(
            len(counts), lambda drawn, f=field: pooled_counts([counts[k] for k in drawn]).f1(f)
        ).to_json()
        summary[name] = interval["value"]
        summary[f"{name}_low"], summary[f"{name}_high"] = interval["low"], interval["high"]
        summary[f"{name}_precision"] = _number(total.precision(field))
        summary[f"{name}_recall"] = _number(total.recall(field))
    return summary


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value
