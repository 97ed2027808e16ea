"""LSD on signals whose distance is known."""

import numpy as np
import pytest

from espnet2_ext.metrics.lsd import FLOOR_DB, HOP, N_FFT, log_power, lsd

FS = 24000


def noise(seconds: float = 1.0, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(int(FS * seconds))


def test_a_signal_is_at_no_distance_from_itself():
    assert lsd(noise(), noise()) == 0


@pytest.mark.parametrize("gain_db", [-20.0, -3.0, 6.0])
def test_a_louder_signal_is_as_far_as_its_gain(gain_db):
    assert lsd(noise() * 10 ** (gain_db / 20), noise()) == pytest.approx(abs(gain_db), abs=0.01)


def test_noises_are_as_far_as_two_draws_of_an_exponential_power():
    # 10 log10 of the ratio of two exponential variables is logistic: its deviation is known
    logistic = 10 / np.log(10) * np.pi / np.sqrt(3)
    assert lsd(noise(10), noise(10, seed=1)) == pytest.approx(logistic, rel=0.02)


def test_the_root_is_taken_of_each_frame():
    ref = noise(4)
    half = ref.copy()
    half[len(ref) // 2 :] *= 10  # 20 dB in half of the frames
    assert lsd(half, ref) == pytest.approx(10, abs=0.6)


def test_a_sine_at_full_scale_is_0_db_and_silence_the_floor():
    sine = np.sin(2 * np.pi * (N_FFT // 16) / N_FFT * np.arange(FS))
    power = log_power(sine)
    assert power.max(1) == pytest.approx(0, abs=1e-6)
    assert power.shape == (1 + (FS - N_FFT) // HOP, N_FFT // 2 + 1)
    assert (log_power(np.zeros(FS)) == FLOOR_DB).all()
    assert lsd(np.zeros(FS), np.zeros(FS)) == 0


def test_the_longer_signal_is_cut_and_other_lengths_are_refused():
    assert lsd(np.pad(noise(), (0, 500)), noise()) == 0
    with pytest.raises(ValueError, match="do not correspond"):
        lsd(noise(2), noise())
    with pytest.raises(ValueError, match="needs 2048"):
        lsd(np.zeros(100), np.zeros(100))
