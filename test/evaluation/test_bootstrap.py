"""Bootstrap intervals: seeded, over units, pooled values pooled anew."""

import numpy as np
import pytest

from espnet2_ext.evaluation.bootstrap import bootstrap, mean_interval, ratio_interval
from espnet2_ext.evaluation.measures import METRICS
from espnet2_ext.evaluation.table import aggregate


def test_seeded_and_as_wide_as_the_standard_error_says():
    values = np.random.default_rng(0).normal(5, 2, size=400)
    interval = mean_interval(values)
    assert interval == mean_interval(values)
    error = values.std() / np.sqrt(len(values))
    assert interval.value == pytest.approx(values.mean())
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    assert interval.text(1).startswith(f"{interval.value:.1f} [")


def test_equal_units_leave_no_doubt_and_none_no_value():
    assert mean_interval(np.full(7, 3.0)) == mean_interval(np.array([3.0, np.nan]))
    nothing = mean_interval(np.array([]))
    assert np.isnan(nothing.value) and nothing.text() == "n/a"
    assert nothing.to_json() == {"value": None, "low": None, "high": None}  # JSON has no NaN


def test_a_pooled_rate_is_drawn_by_unit_with_its_weight():
    """One long utterance full of errors: it is in a draw or not, as a whole."""
    errors, length = np.array([0.0, 0, 0, 90]), np.array([10.0, 10, 10, 90])
    interval = ratio_interval(errors, length)
    assert interval.value == pytest.approx(90 / 120)
    assert interval.low == 0 and interval.high == pytest.approx(1, abs=0.1)
    per = next(m for m in METRICS if m.name == "per")
    utts = [{"phone_errors": e, "n_phones": n} for e, n in zip(errors, length, strict=True)]
    value, (low, high) = aggregate(per, utts)
    assert value == pytest.approx(interval.value)
    assert (low, high) == (pytest.approx(interval.low), pytest.approx(interval.high))


def test_a_root_is_taken_of_the_pooled_mean_square():
    cents = next(m for m in METRICS if m.name == "cents_rmse")
    utts = [{"cents_rmse": 10.0, "n_frames": 300}, {"cents_rmse": 40.0, "n_frames": 100}]
    value, (low, high) = aggregate(cents, utts)
    assert value == pytest.approx(np.sqrt((300 * 100 + 100 * 1600) / 400))
    assert (low, high) == (pytest.approx(10), pytest.approx(40))


def test_any_statistic_of_drawn_units():
    spread = bootstrap(50, lambda drawn: float(np.ptp(drawn)), seed=3)
    assert spread.value == 49 and spread.low < 49
