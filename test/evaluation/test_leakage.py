"""Prompt leakage on prosody made by hand."""

import numpy as np
import pytest

from espnet2_ext.bin.report.leakage import shift_pitch, table
from espnet2_ext.evaluation.leakage import (
    Prosody,
    Sung,
    energy_db,
    interval_between,
    measure,
    moments,
)

CONTOUR = 220 * 2 ** (np.sin(np.linspace(0, 9, 300)) / 6)


def prosody(octaves: float = 0.0) -> Prosody:
    return Prosody(CONTOUR * 2**octaves, np.linspace(-30, -10, 100))


def sung(leaks: float) -> Sung:
    """Outputs that follow their prompts, half an octave down and up, by a share."""
    prompts = {"low": prosody(-0.5), "high": prosody(0.5)}
    return Sung({"low": prosody(-0.5 * leaks), "high": prosody(0.5 * leaks)}, prompts)


@pytest.mark.parametrize("leaks", [0.0, 0.1, 1.0])
def test_the_share_that_leaks(leaks):
    result = measure([sung(leaks)] * 3)
    assert result.share.value == pytest.approx(leaks, abs=1e-9)
    assert result.prompt_cents.value == pytest.approx(1200)
    assert result.shift_cents.value == pytest.approx(1200 * leaks, abs=1e-6)
    assert result.n_utt == 3


def test_nothing_leaks_and_either_prompt_is_as_far():
    result = measure([sung(0.0)] * 2)
    assert result.excess["pitch_hz_mean"].value == pytest.approx(0)
    assert result.paired["pitch_hz_mean"].value > 50
    everything = measure([sung(1.0)] * 2)
    assert everything.paired["pitch_hz_mean"].value == pytest.approx(0)
    mean = CONTOUR.mean()
    apart = mean * (2**0.5 - 2**-0.5)
    assert everything.excess["pitch_hz_mean"].value == pytest.approx(apart)
    assert everything.excess["energy_db_mean"].value == 0


def test_moments_in_closed_form():
    assert moments(np.array([1.0, 1, 1, 5])) == pytest.approx(
        (2, np.sqrt(3), 6 / np.sqrt(27), 21 / 9 - 3)
    )
    assert moments(np.array([2.0, 2, 2])) == (2, 0, 0, 0)
    assert np.isnan(moments(np.array([2.0]))).all()


def test_energy_of_a_full_scale_square_wave_is_0_db():
    np.testing.assert_allclose(energy_db(np.tile([1.0, -1.0], 800), 8000), 0, atol=1e-6)


def test_only_frames_voiced_in_both_are_compared():
    low = np.array([0.0, 100, 100, 100])
    assert interval_between(low, np.array([200.0, 200, 0, 200, 999])) == pytest.approx(1200)
    assert np.isnan(interval_between(low, np.zeros(4)))


def test_worlds_octave_is_an_octave():
    pytest.importorskip("pyworld")
    import pyworld

    fs = 16000
    t = np.arange(fs) / fs
    wav = sum(np.sin(2 * np.pi * 180 * k * t) / k for k in range(1, 12)) * 0.1
    middles = []
    for semitones in (-6, 6):
        shifted = shift_pitch(wav, fs, semitones)
        assert len(shifted) == len(wav) and np.abs(shifted).max() <= 0.98
        f0, _ = pyworld.dio(shifted, fs)
        middles.append(np.median(f0[f0 > 0]))
    assert middles[1] / middles[0] == pytest.approx(2, rel=0.01)


def test_the_table_shows_every_statistic():
    text = table(measure([sung(0.1)] * 2))
    assert text.count("\n| ") == 9 and "0.1000" in text
