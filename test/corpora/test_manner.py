"""Manners of speaking do to pitch, loudness and colour what they say."""

import numpy as np
import pytest

from espnet2_ext.corpora.mini.manner import PLAIN, Manner

RNG = np.random.default_rng(0)
F0 = 200 * 2 ** (np.sin(np.arange(400) / 40) / 6)
F0[::7] = 0


def spread(f0):
    return np.std(np.log2(f0[f0 > 0]))


def test_a_plain_manner_changes_nothing():
    assert PLAIN.pitched(F0, RNG) == pytest.approx(F0)
    log_sp, ap = RNG.normal(size=(400, 5)), RNG.uniform(0.1, 1, size=(400, 5))
    assert np.array_equal(PLAIN.coloured(log_sp, F0 > 0, np.arange(5) * 3000.0), log_sp)
    assert np.array_equal(PLAIN.breathed(ap), ap)


def test_pitch_span_slope_and_rise():
    higher = Manner(pitch=12).pitched(F0, RNG)
    assert higher == pytest.approx(2 * F0)
    assert spread(Manner(span=2.0).pitched(F0, RNG)) == pytest.approx(2 * spread(F0))
    falling = Manner(slope=-6).pitched(np.full(401, 200.0), RNG)
    assert falling[0] / falling[-1] == pytest.approx(2**0.5)
    rising = Manner(rise=12).pitched(np.full(400, 200.0), RNG)
    assert rising[200] == pytest.approx(200) and rising[-1] == pytest.approx(400)


def test_jitter_is_irregular_and_unvoiced_frames_stay():
    shaky = Manner(jitter_cents=50).pitched(F0, RNG)
    assert np.array_equal(shaky == 0, F0 == 0)
    cents = 1200 * np.log2(shaky[F0 > 0] / F0[F0 > 0])
    assert np.std(cents) == pytest.approx(50, rel=0.15)


def test_tilt_is_the_voices_and_a_whisper_is_all_noise():
    hz = np.array([500.0, 1000.0, 4000.0])
    voiced = np.array([True, False])
    tilted = Manner(tilt_db=-3).coloured(np.zeros((2, 3)), voiced, hz) * 10 / np.log(10)
    assert tilted[0] == pytest.approx([0, 0, -6]) and not tilted[1].any()
    whisper = Manner(whispered=True)
    assert (whisper.breathed(np.full((2, 3), 0.1)) == 1).all()
    quiet = whisper.coloured(np.zeros((2, 3)), voiced, hz)
    assert quiet[0, 0] < quiet[0, 2] < 0 and not quiet[1].any()


def test_manners_add_up():
    both = Manner(rate=1.2, pitch=2, pause_sec=0.3) + Manner(rate=0.5, pitch=1, whispered=True)
    assert both == Manner(rate=0.6, pitch=3, pause_sec=0.3, whispered=True)
