"""VERSA's metrics on spectra and contours whose answer is known."""

import numpy as np
import pytest

from espnet2_ext.metrics.fast_dtw import fast_warping_path
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


def held_tone(hz, seed=0, fs=16000, silent=0.0):
    """A second of harmonics, its last share silent, over a little noise."""
    n = fs
    t = np.arange(n) / fs
    wav = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 20)) * 0.1
    wav[round(n * (1 - silent)) :] = 0
    return wav + np.random.default_rng(seed).normal(size=n) * 1e-4


@pytest.mark.parametrize("fs", [44100, 48000])
def test_a_low_voice_has_its_own_envelope_at_any_rate(fs: int) -> None:
    """Windows for 500 Hz, which cheaptrick took at 44.1 kHz, ripple with the periods of 99 Hz."""
    pytest.importorskip("pyworld")
    middle = slice(60, 140)
    x = world_features(held_tone(99, fs=fs), fs)
    assert len(x.f0) == len(x.mcep) == 201
    assert np.median(x.f0[middle]) == pytest.approx(99, rel=0.01)
    assert np.std(x.mcep[middle, 0]) < 0.05


def plain_features(wav, fs):
    """VERSA's analysis read a second time: windowed sinc, quadrature on the warped axis, loops."""
    import pyworld

    k = np.arange(255) - 127
    sinc = 2 * 70 / fs * np.sinc(2 * 70 / fs * k)
    low = sinc * (0.54 + 0.46 * np.cos(2 * np.pi * k / 254))
    high = (np.arange(255) == 127) * 1.0 - low
    # A high pass is scaled to a gain of one at the Nyquist frequency.
    scaled = np.convolve(wav * 32767, high / np.sum(high * (-1.0) ** k))[: len(wav)]
    f0, times = pyworld.harvest(scaled, fs, f0_floor=40, f0_ceil=800, frame_period=5)
    sp = pyworld.cheaptrick(scaled, f0, times, fs, fft_size=1024)
    w = (np.arange(4096) + 0.5) * np.pi / 4096
    warped = w + 2 * np.arctan(ALPHA * np.sin(w) / (1 - ALPHA * np.cos(w)))
    slope = (1 - ALPHA**2) / (1 + ALPHA**2 - 2 * ALPHA * np.cos(w))
    mcep, power = [], []
    for frame in sp:
        c = np.fft.irfft(np.log(frame) / 2)
        log_amplitude = c[0] + 2 * np.cos(np.outer(w, np.arange(1, 512))) @ c[1:512]
        log_amplitude += c[512] * np.cos(512 * w)
        weights = np.r_[1.0, np.full(ORDER, 2.0)] / 4096
        basis = np.cos(np.outer(np.arange(ORDER + 1), warped))
        mcep.append(weights * (basis @ (log_amplitude * slope)))
        power.append((frame[0] + frame[512] + 2 * frame[1:512].sum()) / 1024)
    return f0, np.array(mcep), 10 * np.log10(np.array(power) / np.mean(power))


@pytest.mark.slow
def test_from_samples_against_a_second_reading_of_the_definition():
    pytest.importorskip("pyworld")
    fs = 16000
    hyp, ref = held_tone(233.1, 0)[:8000], held_tone(220, 1)[:8200]
    (f0_hyp, mcep_hyp, power_hyp), (f0_ref, mcep_ref, _) = (
        plain_features(wav, fs) for wav in (hyp, ref)
    )
    ours_hyp, ours_ref = world_features(hyp, fs), world_features(ref, fs)
    np.testing.assert_allclose(ours_hyp.power_db, power_hyp, atol=1e-6)
    np.testing.assert_allclose(ours_hyp.mcep, mcep_hyp, atol=2e-3)
    n = min(len(f0_hyp), len(f0_ref))
    distances = [
        10 / np.log(10) * np.sqrt(2 * sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))
        for a, b in zip(mcep_hyp[:n], mcep_ref[:n], strict=True)
    ]
    scores = mcd_f0(ours_hyp, ours_ref)
    assert scores.mcd_db == pytest.approx(sum(distances) / n, abs=5e-3)
    squares = [(x - y) ** 2 for x, y in zip(f0_hyp[:n], f0_ref[:n], strict=True)]
    assert scores.f0_rmse_hz == pytest.approx((sum(squares) / n) ** 0.5, abs=1e-6)
    centred = [f0[:n] - sum(f0[:n]) / n for f0 in (f0_hyp, f0_ref)]
    corr = (centred[0] @ centred[1]) / np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum())
    assert scores.f0_corr == pytest.approx(corr, abs=1e-6)


def test_what_voicing_costs_in_closed_form_and_what_dtw_forgives():
    """A quarter of the tone left out: sqrt(1/4) of its F0 without DTW, nothing with it."""
    pytest.importorskip("pyworld")
    fs = 16000
    ref, cut = (world_features(held_tone(220, 0, fs, silent), fs) for silent in (0.0, 0.25))
    assert mcd_f0(cut, ref).f0_rmse_hz == pytest.approx(220 * 0.5, rel=0.06)
    assert mcd_f0_dtw(cut, ref).f0_rmse_hz < 20  # harvest slides where the tone breaks off
    higher = world_features(held_tone(233.08, 0, fs), fs)
    assert mcd_f0_dtw(higher, ref).f0_rmse_hz == pytest.approx(13.08, abs=0.5)
    assert mcd_f0(higher, ref).f0_rmse_hz == pytest.approx(13.08, rel=0.15)


def test_versas_own_alignment_is_there_too():
    rng = np.random.default_rng(0)
    ref = features(np.full(90, 200.0), np.cumsum(rng.normal(size=(90, 40)), 0))
    hyp = features(np.full(70, 210.0), np.cumsum(rng.normal(size=(70, 40)), 0))
    assert mcd_dtw(hyp, ref, fast_warping_path) >= 0.9 * mcd_dtw(hyp, ref)
    assert mcd_f0_dtw(hyp, ref, fast_warping_path).f0_rmse_hz == pytest.approx(10)
