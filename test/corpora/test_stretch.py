"""Where finals are stretched."""

import numpy as np
import pytest

from espnet2_ext.corpora.mini.stretch import FRAME_SEC, stretch_weights, stretched_times


@pytest.fixture
def moving():
    """A spectrum that stands still, moves through frames 20-30, and stands still again."""
    amount = np.clip((np.arange(60) - 20) / 10, 0, 1)[:, None]
    rng = np.random.default_rng(0)
    start, end = rng.normal(size=(2, 1, 513))
    return start + amount * (end - start)


def test_added_time_goes_to_the_main_vowel(moving):
    falling = stretch_weights(moving, "ai", len(moving))
    rising = stretch_weights(moving, "iE", len(moving))
    assert falling.sum() == pytest.approx(1) and rising.sum() == pytest.approx(1)
    assert falling[:20].sum() > 0.8 > 0.2 > rising[:20].sum()
    assert falling[20:30].mean() < 0.2 * falling[8:18].mean()


def test_a_nasal_coda_takes_its_share(moving):
    weights = stretch_weights(moving, "a", coda=40)
    assert weights[40:].sum() == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("seconds", [0.05, 0.3, 2.0])
def test_times_fill_the_duration(moving, seconds):
    times = stretched_times(stretch_weights(moving, "a", 60), seconds)
    assert times[0] == 0 and (np.diff(times) > 0).all() and times[-1] < seconds
    if seconds > 60 * FRAME_SEC:
        assert np.diff(times).min() >= FRAME_SEC - 1e-9
