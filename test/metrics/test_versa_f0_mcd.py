"""VERSA's metrics on spectra and contours whose answer is known."""

import numpy as np
import pytest

from espnet2_ext.metrics.versa_f0_mcd import (
    ALPHA,
    ORDER,
    WorldFeatures,
    envelope_to_mcep,
    mcd_dtw,
    mcd_f0,
    mcd_f0_dtw,
    warping_path,
    world_features,
)


def features(f0, mcep=None, power=None) -> WorldFeatures:
    f0 = np.asarray(f0, float)
    mcep = np.zeros((len(f0), 40)) if mcep is None else mcep
    return WorldFeatures(f0, mcep, np.zeros(len(f0)) if power is None else power)


def test_identical_signals_have_no_distance():
    rng = np.random.default_rng(0)
    x = features(rng.uniform(100, 300, 50), rng.normal(size=(50, 40)))
    assert mcd_f0(x, x).mcd_db == 0 and mcd_f0(x, x).f0_rmse_hz == 0
    assert mcd_f0(x, x).f0_corr == pytest.approx(1)
    assert mcd_dtw(x, x) == 0


def test_mcd_of_a_constant_offset_counts_the_energy_coefficient():
    a = features(np.ones(30), np.random.default_rng(0).normal(size=(30, 40)))
    shifted = a.mcep.copy()
    shifted[:, 0] += 0.5
    shifted[:, 7] += 0.25
    expected = 10 / np.log(10) * np.sqrt(2 * (0.5**2 + 0.25**2))
    assert mcd_f0(features(a.f0, shifted), a).mcd_db == pytest.approx(expected)


def test_unvoiced_frames_count_as_zero_hz_and_the_longer_is_cut():
    ref = features([200.0, 200, 0, 100] * 10)
    hyp = features([200.0, 0, 0, 100] * 10 + [999.0] * 2)
    scores = mcd_f0(hyp, ref)
    assert scores.f0_rmse_hz == pytest.approx(100)
    assert scores.f0_corr == pytest.approx(np.corrcoef(hyp.f0[:40], ref.f0)[0, 1])


def test_a_length_mismatch_is_refused_as_versa_does():
    mcd_f0(features(np.ones(100)), features(np.ones(120)))
    with pytest.raises(ValueError, match="similar lengths"):
        mcd_f0(features(np.ones(100)), features(np.ones(123)))


def test_dtw_forgives_a_delay_and_silence_but_not_a_wrong_sound():
    rng = np.random.default_rng(0)
    sounds = rng.normal(size=(6, 40))
    ref = features(np.full(60, 200.0), np.repeat(sounds, 10, 0))
    late = features(np.full(65, 200.0), np.repeat(sounds, [15, 10, 10, 10, 10, 10], 0))
    assert mcd_dtw(late, ref) == pytest.approx(0)
    assert mcd_f0(late, ref).mcd_db > 1
    assert mcd_dtw(features(ref.f0, ref.mcep[::-1]), ref) > 5
    quiet = np.r_[np.zeros(60), np.full(20, -60.0)]
    padded = features(np.full(80, 200.0), np.r_[ref.mcep, np.full((20, 40), 9.0)], quiet)
    assert mcd_dtw(padded, ref) == pytest.approx(0)


def test_dtw_f0_takes_voiced_frames_only():
    mcep = np.random.default_rng(0).normal(size=(20, 40))
    ref = features(np.r_[np.zeros(5), np.linspace(100, 200, 15)], mcep)
    hyp = features(np.r_[np.zeros(5), np.linspace(100, 200, 15) + 10], mcep)
    scores = mcd_f0_dtw(hyp, ref)
    assert scores.f0_rmse_hz == pytest.approx(10) and scores.f0_corr == pytest.approx(1)
    assert np.isnan(mcd_f0_dtw(features(np.zeros(20), mcep), ref).f0_rmse_hz)


def test_warping_path_is_the_cheapest():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(7, 3)), rng.normal(size=(5, 3))
    cost = np.linalg.norm(a[:, None] - b[None], axis=-1)
    best = np.full((8, 6), np.inf)
    best[0, 0] = 0
    for i in range(7):
        for j in range(5):
            best[i + 1, j + 1] = cost[i, j] + min(best[i, j], best[i, j + 1], best[i + 1, j])
    i, j = warping_path(a, b)
    assert cost[i, j].sum() == pytest.approx(best[-1, -1])
    assert (i[0], j[0], i[-1], j[-1]) == (0, 0, 6, 4)
    steps = np.stack([np.diff(i), np.diff(j)], 1)
    assert set(map(tuple, steps)) <= {(0, 1), (1, 0), (1, 1)}


def test_mel_cepstra_give_the_envelope_back_on_the_warped_axis():
    """Definition of the mel-cepstrum: log |X| = sum c_k cos(k w~), w~ the all-pass phase."""
    rng = np.random.default_rng(0)
    c = np.r_[3.0, rng.normal(size=12) * 0.3]
    w = np.linspace(0, np.pi, 513)
    warped = w + 2 * np.arctan(ALPHA * np.sin(w) / (1 - ALPHA * np.cos(w)))
    log_amplitude = np.cos(np.outer(warped, np.arange(len(c)))) @ c
    mcep = envelope_to_mcep(np.exp(2 * log_amplitude)[None])[0]
    assert mcep.shape == (ORDER + 1,)
    np.testing.assert_allclose(mcep[: len(c)], c, atol=1e-6)
    np.testing.assert_allclose(mcep[len(c) :], 0, atol=1e-6)


def test_world_features_of_a_steady_tone():
    pytest.importorskip("pyworld")
    fs = 16000
    t = np.arange(fs // 2) / fs
    wav = sum(np.sin(2 * np.pi * 220 * k * t) / k for k in range(1, 20)) * 0.1
    x = world_features(wav, fs)
    assert len(x.f0) == len(x.mcep) == len(x.power_db) == 101
    assert np.median(x.f0) == pytest.approx(220, rel=0.01)
    loud = world_features(2 * wav, fs)
    middle = slice(20, 80)
    np.testing.assert_allclose((loud.mcep - x.mcep)[middle, 0], np.log(2), atol=1e-3)
    np.testing.assert_allclose((loud.mcep - x.mcep)[middle, 1:], 0, atol=1e-3)
