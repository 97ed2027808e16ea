"""How well a set is transcribed: frames as in Table VI of CoMelSinger, notes as mir_eval counts."""

import itertools
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
from espnet2_ext.score.lyrics.languages import nucleus_of
from espnet2_ext.score.music_score import MusicScore
from espnet2_ext.transcription.decode import DecodingConfig, Segment, decode
from espnet2_ext.transcription.inference import note_rows, pitch_tokens, written_rows
from espnet2_ext.transcription.net import N_PITCHES

MATCHES = {"COn": "on", "COnP": "onp", "COnPOff": "onpoff"}
F0_SPREAD = 1.5
"""Semitones: of a normal distribution around F0, from which the anchor's notes are decoded."""
F0_DECODING = DecodingConfig(min_note_sec=0.1, min_rest_sec=0.06, change_cost=3.0)
"""Of spreads from .7 to 1.5, costs from 1 to 6 and rests from .06 to .12 s the best on the dev set
of the embedded corpus, so that the anchor is a strong one."""
_VOICING_NATS = 3.0


@dataclass(frozen=True)
class Transcribed:
    """One utterance.

    Args:
        pitch: Pitch token of each frame (L,).
        notes: From the first of each note's phones on.
        vowels: From each note's vowel on, as scores have them.
    """

    pitch: np.ndarray
    notes: Notes
    vowels: Notes

    @classmethod
    def of(cls, segments: Sequence[Segment], fps: float) -> "Transcribed":
        """From decoded segments."""
        notes, vowels = (Notes.of(rows(segments, fps)) for rows in (note_rows, written_rows))
        return cls(pitch_tokens(segments), notes, vowels)


def sung_notes(score: MusicScore) -> Notes:
    """The notes as they are performed: each from its vowel to the next note's, or to a rest."""
    begins: list[tuple[float, int]] = []  # of vowels and rests, with their note
    for index, group in itertools.groupby(score.phones, key=lambda phone: phone.note):
        phones = list(group)
        vowel = nucleus_of([phone.phone for phone in phones], score.language)
        rest = score.notes[index].is_rest
        begins.append((phones[0 if rest else vowel].start_sec, index))
    ends = [*(start for start, _ in begins[1:]), score.duration_sec]
    rows = [
        (start, end, score.notes[index].midi)
        for (start, index), end in zip(begins, ends, strict=True)
        if not score.notes[index].is_rest
    ]
    return Notes.of(rows)


def written_notes(score: MusicScore) -> Notes:
    """The notes as they are written, which singers leave."""
    rows = [(n.start_sec, n.end_sec, n.midi) for n in score.notes if not n.is_rest]
    return Notes.of(rows)


def frame_notes(score_frames: np.ndarray, fps: float) -> Notes:
    """The notes of a score's frames (L, 4): those of its performed phones, consonants included."""
    pitch, note = score_frames[:, MIDI_COLUMN], score_frames[:, NOTE_COLUMN]
    starts = np.flatnonzero(np.diff(note, prepend=note[0] - 1))
    ends = [*starts[1:], len(note)]
    rows = [
        (start / fps, end / fps, float(pitch[start]))
        for start, end in zip(starts, ends, strict=True)
        if pitch[start]
    ]
    return Notes.of(rows)


def from_f0(
    f0: np.ndarray, n_frames: int, fps: float, config: DecodingConfig = F0_DECODING
) -> Transcribed:
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
    return Transcribed.of(segments, fps)


def of_one_pitch(n_frames: int, pitch: int, fps: float) -> Transcribed:
    """The other anchor: one token for all, the commonest of the training set."""
    rows = [(0.0, n_frames / fps, float(pitch))] if pitch else []
    return Transcribed(np.full(n_frames, pitch), Notes.of(rows), Notes.of(rows))


def majority_pitch(sets: Iterable[np.ndarray]) -> int:
    """The commonest pitch token of score frames, each (L, 4)."""
    counts = np.zeros(N_PITCHES, np.int64)
    for frames in sets:
        counts += np.bincount(frames[:, MIDI_COLUMN], minlength=N_PITCHES)
    return int(counts.argmax())


def measure(
    found: Sequence[Transcribed],
    truth: Sequence[np.ndarray],
    fps: float,
    scores: Sequence[MusicScore] = (),
) -> dict[str, dict[str, float | int | None]]:
    """Frame scores, and F1 of notes with its 95% interval over utterances, as plain numbers.

    Args:
        found: Of each utterance.
        truth: Score frames of each (L, 4).
        fps: Of frames.
        scores: Of each, with performed phones; none: not known.

    Returns:
        ``frames``: accuracy, precision, recall, f1. Counts of notes and, for COn, COnP and COnPOff,
        precision, recall, F1 and its interval, against those of the score's frames
        (``notes_of_frames``), and with `scores` against those that begin with the vowel as it is
        sung (``sung_notes``), and against the notes as written (``written_notes``).
    """
    pitch = np.concatenate([frames[:, MIDI_COLUMN] for frames in truth])
    frames = frame_scores(np.concatenate([f.pitch for f in found]), pitch)
    notes, vowels = [f.notes for f in found], [f.vowels for f in found]
    result: dict[str, dict] = {"frames": asdict(frames)}
    references = {"notes_of_frames": (notes, [frame_notes(t, fps) for t in truth])}
    if scores:
        references["sung_notes"] = (vowels, [sung_notes(score) for score in scores])
        references["written_notes"] = (vowels, [written_notes(score) for score in scores])
    for name, (ours, theirs) in references.items():
        pairs = zip(ours, theirs, strict=True)
        result[name] = _summary([note_counts(est, ref) for est, ref in pairs])
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
