"""Loudness against BS.1770's own figures; anchors against BS.1534's."""

import numpy as np
import pytest
from scipy.signal import lfilter

from espnet2_ext.listening import loudness as lufs

# BS.1770-4, tables 1 and 2: K-weighting at 48 kHz
SHELF_B = [1.53512485958697, -2.69169618940638, 1.19839281085285]
SHELF_A = [1, -1.69065929318241, 0.73248077421585]
HIGH_PASS = [1, -2, 1], [1, -1.99004745483398, 0.99007225036621]


def sine(hz: float, fs: int, sec: float = 2.0, phase: float = 0.0) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(int(sec * fs)) / fs + phase)


@pytest.mark.parametrize("fs", [16000, 24000, 44100, 48000])
def test_a_full_scale_sine_of_997_hz_has_minus_3_01_lufs(fs):
    assert lufs.loudness(sine(997, fs), fs) == pytest.approx(-3.01, abs=0.1)


def test_loudness_is_that_of_the_standards_own_filters():
    noise = 0.1 * np.random.default_rng(0).standard_normal(3 * 48000)
    weighted = lfilter(*HIGH_PASS, lfilter(SHELF_B, SHELF_A, noise))
    expected = -0.691 + 10 * np.log10(np.mean(weighted**2))
    assert lufs.loudness(noise, 48000) == pytest.approx(expected, abs=0.05)


def test_pauses_do_not_count_and_silence_has_no_loudness():
    tone = sine(997, 16000)
    paused = np.concatenate([tone, np.zeros(10 * 16000)])
    assert lufs.loudness(paused, 16000) == pytest.approx(lufs.loudness(tone, 16000), abs=0.5)
    assert lufs.loudness(np.zeros(16000), 16000) == -np.inf
    with pytest.raises(ValueError, match="long"):
        lufs.loudness(np.zeros(6000), 16000)


def test_the_peak_between_the_samples_counts():
    between = sine(4000, 16000, phase=np.pi / 4)  # samples at .707, the sine at 1
    assert np.abs(between).max() == pytest.approx(0.7071, abs=1e-4)
    assert lufs.true_peak(between[1000:-1000]) == pytest.approx(0.0, abs=0.2)
    assert lufs.true_peak(np.zeros(100)) == -np.inf


def test_one_target_for_all_lowered_by_the_peak_that_would_clip():
    # b: 20 dB between peak and loudness, so -21 LUFS puts its peak at -1 dBTP
    levels = {"a": (-30.0, -25.0), "b": (-40.0, -20.0)}
    assert lufs.common_target(levels, -23) == (-23, "")
    assert lufs.common_target(levels, -18) == (pytest.approx(-21), "b")


def test_scaling_brings_a_sample_to_the_target():
    wav = 0.01 * sine(500, 16000)
    scaled = lufs.scale_to(wav, lufs.loudness(wav, 16000), -23)
    assert lufs.loudness(scaled, 16000) == pytest.approx(-23, abs=0.01)


@pytest.mark.parametrize("fs", [16000, 48000])
def test_the_low_anchor_keeps_and_takes_away_what_bs1534_says(fs):
    def gain_db(hz):
        wav = sine(hz, fs)
        out = lufs.low_pass(wav, fs, lufs.ANCHOR_HZ["low_anchor"])
        assert len(out) == len(wav)
        middle = slice(fs // 2, -fs // 2)
        return 20 * np.log10(np.std(out[middle]) / np.std(wav[middle]))

    for hz in (100, 1000, 3000, 3500):
        assert abs(gain_db(hz)) < 0.1
    assert gain_db(4000) < -25
    assert gain_db(4500) < -50


def test_the_low_anchor_is_not_delayed_and_needs_something_to_take_away():
    wav = np.zeros(16000)
    wav[8000] = 1
    assert np.argmax(lufs.low_pass(wav, 16000, 3500)) == 8000
    with pytest.raises(ValueError, match="nothing above"):
        lufs.low_pass(wav, 8000, 3500)


def test_a_spoiled_sample_is_mostly_noise_and_the_same_each_time():
    wav = sine(3000, 16000)
    spoiled = lufs.spoil(wav, 16000, 3)
    assert abs(np.corrcoef(wav, spoiled)[0, 1]) < 0.5
    np.testing.assert_array_equal(spoiled, lufs.spoil(wav, 16000, 3))
