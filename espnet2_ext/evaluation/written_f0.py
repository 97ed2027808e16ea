"""The written notes as an F0 contour: what the score gives before anything has been sung.

A row of it in a table is the floor of every column that looks at F0 alone: a system that is not
better there follows the score, and says nothing of how a singer sings it.
"""

import numpy as np
import torch

from espnet2_ext.score.lyrics.voicing import is_voiced
from espnet2_ext.score.music_score import MusicScore
from espnet2_ext.vocoder.score_f0 import score_f0

WRITTEN_VERSION = 1
"""Part of the keys of kept scores: raise it when the contour changes."""


def written_f0(score: MusicScore, times_sec: np.ndarray, fps: int) -> np.ndarray:
    """F0 of the written notes, each held from its first phone to its last.

    Neighbouring notes pass into each other as `vocoder.score_f0` has it. Vowels and voiced
    consonants are voiced, by the phone's symbol alone; a rest and a voiceless consonant are not.

    Args:
        score: With phones.
        times_sec: Of the frames (T,), evenly spaced.
        fps: Frames a second.

    Returns:
        Hz (T,); 0 where unvoiced, and after the score's end.
    """
    ends = np.array([phone.end_sec for phone in score.phones])
    midi = np.array([score.notes[phone.note].midi for phone in score.phones] + [0])
    voiced = np.array([is_voiced(p.phone, score.language) for p in score.phones] + [False])
    at = np.searchsorted(ends, times_sec, side="right")
    return score_f0(
        torch.from_numpy(midi[at]), torch.from_numpy(voiced[at].astype(np.float32)), 1, fps
    ).numpy()
