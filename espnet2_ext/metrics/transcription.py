"""How well notes and pitch tokens are transcribed.

Notes by the definitions of mir_eval.transcription (Raffel et al. 2014; Molina et al. 2014): COn, a
note's onset is found within 50 ms; COnP, its pitch too, within 50 cents; COnPOff, its offset too,
within 50 ms or a fifth of the note. Each note of one side answers at most one of the other, so that
as many as possible do. Frames as in Table VI of CoMelSinger (Zhao et al. 2026).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from espnet2_ext.audio.pitch import OCTAVE
from espnet2_ext.metrics.musical import CENTS_PER_OCTAVE, TOLERANCE_CENTS

ONSET_SEC = 0.05
OFFSET_SEC, OFFSET_SHARE = 0.05, 0.2
_DECIMALS = 4
"""Of distances in time, as mir_eval rounds them: 50 ms is within 50 ms."""


@dataclass(frozen=True)
class Notes:
    """Sung notes, in any order.

    Args:
        intervals: Start and end of each (s) (N, 2).
        midi: MIDI number of each, which may be a fraction (N,).
    """

    intervals: np.ndarray
    midi: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[tuple[float, float, float]]) -> "Notes":
        """From (start, end, MIDI number) of each."""
        table = np.array(rows, np.float64).reshape(-1, 3)
        return cls(table[:, :2], table[:, 2])

    def __len__(self) -> int:
        return len(self.midi)


@dataclass(frozen=True)
class NoteCounts:
    """Of one utterance, or of several together.

    Args:
        n_ref: Notes of the reference.
        n_est: Notes that were transcribed.
        on: Matched by onset.
        onp: By onset and pitch.
        onpoff: By onset, pitch and offset.
    """

    n_ref: int = 0
    n_est: int = 0
    on: int = 0
    onp: int = 0
    onpoff: int = 0

    def f1(self, matched: str) -> float:
        """F1 of ``on``, ``onp`` or ``onpoff``; NaN where neither side has a note."""
        n = self.n_ref + self.n_est
        return 2 * getattr(self, matched) / n if n else float("nan")

    def precision(self, matched: str) -> float:
        """Share of the transcribed notes that are in the reference; NaN without."""
        return getattr(self, matched) / self.n_est if self.n_est else float("nan")

    def recall(self, matched: str) -> float:
        """Share of the reference's notes that were found; NaN without."""
        return getattr(self, matched) / self.n_ref if self.n_ref else float("nan")


def pooled_counts(counts: Sequence[NoteCounts]) -> NoteCounts:
    """Of all utterances together."""
    rows = [(c.n_ref, c.n_est, c.on, c.onp, c.onpoff) for c in counts]
    return NoteCounts(*(sum(column) for column in zip(*rows, strict=True)))


def note_counts(est: Notes, ref: Notes) -> NoteCounts:
    """Match transcribed notes with the reference's."""
    if not len(ref) or not len(est):
        return NoteCounts(len(ref), len(est))
    on = _distance(ref.intervals[:, 0], est.intervals[:, 0]) <= ONSET_SEC
    cents = CENTS_PER_OCTAVE / OCTAVE * np.abs(ref.midi[:, None] - est.midi)
    onp = on & (cents <= TOLERANCE_CENTS)
    slack = np.maximum(OFFSET_SEC, OFFSET_SHARE * (ref.intervals[:, 1] - ref.intervals[:, 0]))
    onpoff = onp & (_distance(ref.intervals[:, 1], est.intervals[:, 1]) <= slack[:, None])
    return NoteCounts(len(ref), len(est), *(_most_pairs(hits) for hits in (on, onp, onpoff)))


def _distance(ref: np.ndarray, est: np.ndarray) -> np.ndarray:
    return np.around(np.abs(ref[:, None] - est), _DECIMALS)


def _most_pairs(hits: np.ndarray) -> int:
    """Size of the largest matching between rows and columns."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import maximum_bipartite_matching

    return int((maximum_bipartite_matching(csr_matrix(hits)) >= 0).sum())


@dataclass(frozen=True)
class FrameScores:
    """Of all frames together.

    Args:
        accuracy: Share of frames with the right pitch token, rests among them.
        precision: Mean over the pitch tokens that are in either side, each weighing alike (macro);
            one that is never predicted has 0.
        recall: The same; one that is not in the reference has 0.
        f1: The same of the tokens' F1.
    """

    accuracy: float
    precision: float
    recall: float
    f1: float


def frame_scores(est: np.ndarray, ref: np.ndarray) -> FrameScores:
    """Compare pitch tokens frame by frame (L,); raises ValueError where there are none."""
    if not len(ref) or len(est) != len(ref):
        raise ValueError(f"{len(est)} frames for {len(ref)}")
    tokens = np.union1d(est, ref)
    right = np.array([np.sum((est == t) & (ref == t)) for t in tokens])
    n_est, n_ref = (np.array([np.sum(side == t) for t in tokens]) for side in (est, ref))
    precision, recall = right / np.maximum(n_est, 1), right / np.maximum(n_ref, 1)
    f1 = 2 * right / (n_est + n_ref)
    return FrameScores(
        float(np.mean(est == ref)), *(float(np.mean(x)) for x in (precision, recall, f1))
    )
