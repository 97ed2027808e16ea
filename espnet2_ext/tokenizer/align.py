"""Audio and score of one length: the rule by which every stage fits one to the other."""

from dataclasses import replace

import numpy as np

from espnet2_ext.errors import UserError
from espnet2_ext.score.music_score import REST_MIDI, SILENCE, MusicScore, Note, Phone

MAX_MISSING_SEC = 0.1
"""Audio may end this much before its score; the rest is taken for silence."""


def extend_with_rest(score: MusicScore, end_sec: float) -> MusicScore:
    """Let a score end later, in silence.

    The last rest grows, or a rest is added. Where the last note's nominal time reaches past
    `end_sec` there is no room for a rest, and its last phone grows.
    """
    note, phone = score.notes[-1], score.phones[-1]
    notes, phones = list(score.notes), list(score.phones)
    silence = Phone(phone.end_sec, end_sec, SILENCE, len(notes) - 1)
    if note.is_rest:
        notes[-1] = replace(note, end_sec=max(note.end_sec, end_sec))
        if phone.phone == SILENCE:
            phones[-1] = replace(phone, end_sec=end_sec)
        else:
            phones.append(silence)
    elif note.end_sec < end_sec - 1e-3:
        notes.append(Note(note.end_sec, end_sec, REST_MIDI, phones=(SILENCE,)))
        phones.append(replace(silence, note=len(notes) - 1))
    else:
        phones[-1] = replace(phone, end_sec=end_sec)
    return replace(score, notes=tuple(notes), phones=tuple(phones))


def fit_audio(
    wav: np.ndarray, fs: int, fps: int, score: MusicScore | None, place: str
) -> tuple[np.ndarray, MusicScore | None]:
    """Cut or pad audio to whole token frames, as many as its score has.

    Audio that is longer than its score extends the score by a rest; audio that is shorter by no
    more than `MAX_MISSING_SEC` is padded with silence.

    Args:
        wav: Samples (N,).
        fs: Rate (Hz).
        fps: Token frames per second.
        score: With performed phones; None for speech.
        place: File and utterance, for the error.

    Raises:
        UserError: the audio is too short for its score.
    """
    per_token = fs // fps
    n_frames = (len(wav) + per_token // 2) // per_token
    if score is not None:
        # the same rounding as score.frames.round_boundaries
        scored = int(np.floor(score.duration_sec * fps + 0.5 + 1e-6))
        if n_frames > scored:
            score = extend_with_rest(score, n_frames / fps)
        elif scored * per_token - len(wav) > MAX_MISSING_SEC * fs + per_token / 2:
            found = f"audio of {len(wav) / fs:.3f} s for a score of {score.duration_sec:.3f} s"
            raise UserError(place, found, f"at most {MAX_MISSING_SEC} s less than the score")
        n_frames = max(n_frames, scored)
    if n_frames == 0:
        raise UserError(place, f"{len(wav)} samples", f"at least one frame ({per_token})")
    n_samples = n_frames * per_token
    return np.pad(wav[:n_samples], (0, max(0, n_samples - len(wav)))), score
