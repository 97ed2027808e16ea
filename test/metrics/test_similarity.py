"""Singer similarity."""

import numpy as np
import pytest

from espnet2_ext.metrics.similarity import SingerCentroids

AXES = np.eye(3)


def centroids() -> SingerCentroids:
    embeddings = {"a1": AXES[0], "a2": AXES[0] + 0.1 * AXES[2], "b1": 5 * AXES[1]}
    return SingerCentroids(embeddings, {"a1": "a", "a2": "a", "b1": "b"})


def test_the_right_singer_comes_first():
    scored = centroids().compare(AXES[0], "a")
    assert scored.first and scored.nearest == "a"
    assert scored.cosine > 0.99 and scored.margin == pytest.approx(scored.cosine)


def test_the_wrong_singer_does_not():
    scored = centroids().compare(AXES[1], "a")
    assert not scored.first and scored.nearest == "b" and scored.margin < -0.9


def test_loudness_of_an_embedding_does_not_matter():
    assert centroids().compare(9 * AXES[0], "a") == centroids().compare(AXES[0], "a")


def test_an_utterance_is_not_compared_with_itself():
    vectors = {"a1": AXES[0], "a2": AXES[2], "b1": AXES[1]}
    both = SingerCentroids(vectors, {"a1": "a", "a2": "a", "b1": "b"})
    assert both.compare(AXES[0], "a", leave_out="a1").cosine == pytest.approx(0)
    assert both.compare(AXES[0], "a").cosine > 0.7


def test_an_unknown_singer_is_an_error():
    with pytest.raises(KeyError):
        centroids().compare(AXES[0], "c")
