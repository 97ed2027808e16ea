"""ESPnet svs1's metrics on signals whose answer is known, and against plain second readings."""

import math

import numpy as np
import pytest
from scipy.optimize import minimize

from espnet2_ext.metrics.espnet_svs import (
    EPSILON,
    N_FFT,
    EspnetFeatures,
    espnet_features,
    espnet_scores,
    f0_scores,
    mel_cepstra,
    semitone,
    sptk_hamming,
)

FS = 24000


def tone(f0: np.ndarray, seed: int = 0) -> np.ndarray:
    """Harmonics of a contour (N,) Hz, silent where it is 0, over a little noise."""
    phase = 2 * np.pi * np.cumsum(f0) / FS
    wav = sum(np.sin(k * phase) / k for k in range(1, 15)) * 0.1 * (f0 > 0)
    return wav + np.random.default_rng(seed).normal(size=len(f0)) * 1e-3


def test_a_flat_spectrum_has_its_level_alone():
    frame = np.zeros((1, N_FFT))
    frame[0, 0] = 100.0
    mcep = mel_cepstra(frame, 34, 0.46)[0]
    assert mcep[0] == pytest.approx(np.log(100**2 + EPSILON) / 2)
    np.testing.assert_allclose(mcep[1:], 0, atol=1e-9)


def test_mel_cepstra_minimise_the_criterion_they_are_defined_by():
    """The unbiased estimator's criterion on the warped axis, minimised by a general optimiser."""
    order, alpha, n = 5, 0.42, 256
    frame = np.random.default_rng(0).normal(size=n) * np.hanning(n) * 1000
    frame = np.convolve(frame, [1.0, 0.8, 0.3])[:n]
    power = np.abs(np.fft.fft(frame)) ** 2 + EPSILON
    w = 2 * np.pi * np.arange(n) / n
    warped = w + 2 * np.arctan2(alpha * np.sin(w), 1 - alpha * np.cos(w))
    basis = np.cos(np.outer(np.arange(order + 1), warped))

    def criterion(c: np.ndarray) -> float:
        log_ratio = np.log(power) - 2 * c @ basis
        return float(np.mean(np.exp(log_ratio) - log_ratio - 1))

    start = np.r_[np.log(power).mean() / 2, np.zeros(order)]
    best = minimize(criterion, start, method="BFGS", options={"gtol": 1e-9}).x
    np.testing.assert_allclose(mel_cepstra(frame[None], order, alpha)[0], best, atol=0.01)


def test_the_window_has_unit_energy():
    window = sptk_hamming(8)
    assert np.sum(window**2) == pytest.approx(1) and window[0] == pytest.approx(window[-1])


def test_semitones_as_the_scripts_name_them():
    def name(freq: float) -> int | str:
        return "Sil" if freq == 0 else round(12 * math.log2(freq / (440 * 2**-4.75)))

    f0 = np.r_[0.0, np.geomspace(80, 700, 200), 440 * 2 ** (np.array([0.49, 0.51]) / 12)]
    ours = semitone(f0)
    assert [int(step) for step in ours[1:]] == [name(freq) for freq in f0[1:]]
    assert ours[0] not in ours[1:] and ours[-1] == ours[-2] + 1


def test_f0_scores_in_closed_form():
    ref = np.array([0, 0, 220.0, 220, 220, 440])
    hyp = np.array([0, 100, 0.0, 220, 220 * 2 ** (1 / 12), 440 * 2 ** (0.4 / 12)])
    rmse, semitone_acc, vuv_error = f0_scores(hyp, ref)
    steps = np.log(2) / 12 * np.array([0, 1, 0.4])
    assert rmse == pytest.approx(np.sqrt(np.mean(steps**2)))
    assert semitone_acc == pytest.approx(3 / 6)  # silence agreeing counts, as does .4 of a semitone
    assert vuv_error == pytest.approx(2 / 6)
    assert math.isnan(f0_scores(np.zeros(3), ref[3:])[0])


def test_a_tone_against_itself_a_semitone_and_a_whole_tone():
    pytest.importorskip("pyworld")
    steady = np.r_[np.zeros(4000), np.full(20000, 220.0), np.zeros(4000)]
    ref = espnet_features(tone(steady), FS)
    assert ref.mcep.shape[1] == ref.world_mcep.shape[1] == 35
    assert len(ref.f0) == len(ref.world_mcep) == 28000 // 256 + 1
    assert len(ref.mcep) == (28000 - N_FFT) // 256 + 1
    same = espnet_scores(ref, ref)
    assert (same.mcd_db, same.log_f0_rmse, same.semitone_acc, same.vuv_error) == (0, 0, 1, 0)
    higher = espnet_scores(espnet_features(tone(steady * 2 ** (1 / 12)), FS), ref)
    assert higher.log_f0_rmse == pytest.approx(np.log(2) / 12, rel=0.1)
    assert higher.semitone_acc < 0.5 and higher.mcd_db > 0.5


@pytest.mark.parametrize("fs", [44100, 48000])
def test_a_low_voice_has_its_own_envelope_at_any_rate(fs: int) -> None:
    """Windows for 500 Hz, which cheaptrick took at 44.1 kHz, ripple with the periods of 99 Hz."""
    pytest.importorskip("pyworld")
    t = np.arange(fs) / fs
    wav = sum(np.sin(2 * np.pi * 99 * k * t) / k for k in range(1, 20)) * 0.1
    features = espnet_features(wav + np.random.default_rng(0).normal(size=fs) * 1e-4, fs)
    middle = slice(40, 120)
    assert np.median(features.f0[middle]) == pytest.approx(99, rel=0.01)
    assert len(features.f0) == len(features.world_mcep) == fs // 256 + 1
    assert np.std(features.world_mcep[middle, 0]) < 0.05


def test_mcd_is_the_distance_along_the_path_with_its_energy():
    rng = np.random.default_rng(0)
    mcep = np.repeat(rng.normal(size=(12, 35)), 4, axis=0)
    louder = mcep + np.eye(35)[0] * 0.5
    f0 = np.full(len(mcep), 200.0)
    scores = espnet_scores(EspnetFeatures(louder, mcep, f0), EspnetFeatures(mcep, mcep, f0))
    assert scores.mcd_db == pytest.approx(10 / np.log(10) * np.sqrt(2 * 0.5**2), rel=1e-6)


def test_a_rate_without_settings_is_refused():
    with pytest.raises(ValueError, match="8000 Hz"):
        espnet_features(np.zeros(9000), 8000)
    with pytest.raises(ValueError, match="needs 1024"):
        espnet_features(np.zeros(100), FS)
