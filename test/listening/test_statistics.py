"""Statistics against published figures and cases worked by hand."""

import numpy as np
import pytest

from espnet2_ext.listening.statistics import (
    CrossedBootstrap,
    binomial_p,
    exact_binomial,
    krippendorff_alpha,
    paired_p,
    t_interval,
)

_ = None
# Krippendorff 2011, Computing Krippendorff's alpha-reliability, section C: four observers
OBSERVERS = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
]


@pytest.mark.parametrize(("scale", "alpha"), [("nominal", 0.743), ("interval", 0.849)])
def test_alpha_is_the_published_one(scale, alpha):
    units = {
        str(i): [v for v in column if v is not None]
        for i, column in enumerate(zip(*OBSERVERS, strict=True))
    }
    assert krippendorff_alpha(units, scale) == pytest.approx(alpha, abs=5e-4)


def test_alpha_of_agreement_of_a_single_rater_and_of_no_variation():
    assert krippendorff_alpha({"a": [1, 1], "b": [5, 5]}) == 1
    assert krippendorff_alpha({"a": [1], "b": [5]}) is None
    assert krippendorff_alpha({"a": [3, 3], "b": [3, 3]}) is None


def test_t_interval_by_hand():
    # mean 3, sd sqrt(2.5), t(4) = 2.77645: 3 -+ 2.77645 * sqrt(2.5 / 5)
    assert t_interval([1, 2, 3, 4, 5]).as_list() == pytest.approx([1.03676, 4.96324], abs=1e-4)
    assert t_interval([3]).as_list() is None


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(7, 10, 0.34755, 0.93326), (0, 10, 0, 0.30850), (50, 100, 0.39832, 0.60168)],
)
def test_clopper_pearson_as_tabulated(k, n, low, high):
    assert exact_binomial(k, n).as_list() == pytest.approx([low, high], abs=1e-4)


def test_binomial_test_by_hand():
    assert binomial_p(9, 10) == pytest.approx(2 * 11 / 1024)
    assert binomial_p(9, 10, "greater") == pytest.approx(11 / 1024)
    assert binomial_p(0, 0) is None and exact_binomial(0, 0).as_list() is None


def test_wilcoxon_is_exact_with_few_listeners():
    assert paired_p([1, 2, 3, 4, 5]) == pytest.approx(2 / 32)
    assert paired_p([0.5] * 6) == pytest.approx(2 / 64)  # all tied
    assert paired_p([0, 0, 0]) == 1 and paired_p([1]) is None
    assert paired_p(list(range(1, 31))) < 1e-4


def test_the_crossed_bootstrap_adds_the_variances_of_listeners_and_utterances():
    rng = np.random.default_rng(1)
    listeners, utts = rng.normal(0, 1, 12), rng.normal(0, 2, 9)
    ratings = listeners[:, None] + utts[None, :]
    bootstrap = CrossedBootstrap(12, 9, 10000, 0)
    draws = bootstrap.means(ratings, np.ones_like(ratings))
    expected = listeners.var() / 12 + utts.var() / 9
    assert draws.var() == pytest.approx(expected, rel=0.05)
    assert draws.mean() == pytest.approx(ratings.mean(), abs=0.02)
    low, high = bootstrap.interval(draws).as_list()
    assert high - low == pytest.approx(2 * 1.96 * expected**0.5, rel=0.05)


def test_the_crossed_bootstrap_draws_rows_and_columns_even_with_holes():
    rng = np.random.default_rng(2)
    ratings = rng.integers(1, 6, (4, 3)).astype(float)
    count = rng.integers(0, 2, (4, 3)).astype(float)
    bootstrap = CrossedBootstrap(4, 3, 50, 0)
    draws = bootstrap.means(ratings * count, count)
    for d in range(50):
        rows = np.repeat(np.arange(4), bootstrap.listeners[d].astype(int))
        columns = np.repeat(np.arange(3), bootstrap.utts[d].astype(int))
        assert len(rows) == 4 and len(columns) == 3
        inside = count[np.ix_(rows, columns)].astype(bool)
        drawn = ratings[np.ix_(rows, columns)][inside]
        assert np.isnan(draws[d]) if not len(drawn) else draws[d] == pytest.approx(drawn.mean())
