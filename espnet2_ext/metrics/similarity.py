"""Whose voice is it? Cosine to the singer, and whether that singer comes first among all."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SingerSimilarity:
    """Scores of one utterance against centroids of singers.

    Args:
        cosine: Similarity to the right singer.
        margin: Cosine to the right singer minus the best of the others; NaN with one singer.
        first: The right singer is the most similar one.
        nearest: The most similar singer.
    """

    cosine: float
    margin: float
    first: bool
    nearest: str


class SingerCentroids:
    """Mean embeddings of singers, from which one utterance can be left out.

    Args:
        embeddings: Utterance to embedding (D,), of real recordings.
        utt2spk: Utterance to singer.
    """

    def __init__(self, embeddings: Mapping[str, np.ndarray], utt2spk: Mapping[str, str]) -> None:
        self._embeddings = {utt: normalise(vector) for utt, vector in embeddings.items()}
        self._utt2spk = dict(utt2spk)
        members: dict[str, list[np.ndarray]] = {}
        for utt, vector in self._embeddings.items():
            members.setdefault(self._utt2spk[utt], []).append(vector)
        self._sums = {singer: np.sum(vectors, axis=0) for singer, vectors in members.items()}
        self._counts = {singer: len(vectors) for singer, vectors in members.items()}

    @property
    def singers(self) -> list[str]:
        return sorted(self._sums)

    def compare(self, embedding: np.ndarray, singer: str, leave_out: str = "") -> SingerSimilarity:
        """Score an embedding (D,) that should be `singer`'s.

        Args:
            leave_out: The reference utterance itself, so that a centroid never contains what it
                is compared with. It stays in when the singer has no other.

        Raises:
            KeyError: no recording of `singer`.
        """
        vector = normalise(embedding)
        cosines = {}
        for name, total in self._sums.items():
            inside = leave_out in self._embeddings and self._utt2spk[leave_out] == name
            if inside and self._counts[name] > 1:
                total = total - self._embeddings[leave_out]
            cosines[name] = float(vector @ normalise(total))
        right = cosines.pop(singer)
        if not cosines:
            return SingerSimilarity(right, float("nan"), True, singer)
        other = max(cosines, key=cosines.__getitem__)
        first = right > cosines[other]
        return SingerSimilarity(right, right - cosines[other], first, singer if first else other)


def normalise(vector: np.ndarray) -> np.ndarray:
    """Scale to unit length; a zero vector stays zero."""
    vector = np.asarray(vector, np.float64)
    return vector / max(float(np.linalg.norm(vector)), 1e-12)
