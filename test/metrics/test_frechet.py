"""Fréchet audio distance, of sets whose distance is known."""

import numpy as np
import pytest
import scipy.linalg

from espnet2_ext.evaluation.frechet import distance, moments_by_song
from espnet2_ext.metrics.frechet import Moments, frechet_distance


def drawn(seed: int, n: int = 400, d: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + rng.standard_normal(d)


def test_it_is_the_formula_with_a_matrix_root_of_scipy():
    x, y = drawn(0), drawn(1)
    root = scipy.linalg.sqrtm(np.cov(x.T, bias=True) @ np.cov(y.T, bias=True)).real
    traces = np.trace(np.cov(x.T, bias=True) + np.cov(y.T, bias=True) - 2 * root)
    expected = np.square(x.mean(0) - y.mean(0)).sum() + traces
    assert frechet_distance(Moments.of(x), Moments.of(y)) == pytest.approx(expected)


def test_equal_sets_lie_nowhere_apart_and_a_shift_its_square():
    x = drawn(2, n=3)  # fewer than dimensions: the covariance has no inverse
    assert frechet_distance(Moments.of(x), Moments.of(x)) == pytest.approx(0, abs=1e-5)
    assert frechet_distance(Moments.of(x), Moments.of(x + 2)) == pytest.approx(4 * 5)


def test_moments_of_parts_add_up():
    x = drawn(3)
    parts = Moments.of(x[:100]) + Moments.of(x[100:])
    for one, other in zip(parts.gaussian, Moments.of(x).gaussian, strict=True):
        np.testing.assert_allclose(one, other)


def test_rows_are_compared_song_by_song():
    songs = ["a", "a", "b", "c"]
    wavs = [(drawn(k, 50), 8000) for k in range(4)]
    ref = moments_by_song(wavs, songs, lambda wav, fs: wav)
    hyp = moments_by_song(wavs[:3], songs[:3], lambda wav, fs: wav + 1.0)
    assert list(ref) == ["a", "b", "c"] and ref["a"].count == 100
    fad = distance(hyp, ref)
    assert fad.value == pytest.approx(5) and fad.low == pytest.approx(5)
