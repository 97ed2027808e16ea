"""Jitter, shimmer and HNR: known answers on synthetic voices, and Praat's own where it is there."""

from types import SimpleNamespace

import numpy as np
import pytest

from espnet2_ext.audio.wav import read_wav
from espnet2_ext.metrics.harmonicity import harmonicity_db, mean_hnr_db
from espnet2_ext.metrics.voice_quality import (
    VoiceQuality,
    jitter,
    pulse_amplitudes,
    pulses,
    shimmer,
    voice_quality,
)

FS = 24000
PERIOD_OPTIONS = (0, 0, 0.0001, 0.02, 1.3)  # whole range, floor and ceiling (s), period factor
AMPLITUDE_FACTOR = 1.6


def voice(
    hz: float, jitter: float = 0.0, shimmer: float = 0.0, noise_db: float = -80.0, sec: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Samples (N,) of pulses through formants, with noise below the voice; the pulses (s)."""
    from scipy.signal import lfilter

    rng = np.random.default_rng(0)
    count = int(hz * (sec - 0.1))
    times = 0.05 + np.cumsum((1 + jitter * rng.normal(size=count)) / hz)
    index = np.arange(int(sec * FS))
    wav = np.zeros(len(index))
    for time in times[times < sec - 0.02]:
        near = slice(int(time * FS) - 40, int(time * FS) + 41)
        x = index[near] - time * FS
        wav[near] += (1 + shimmer * rng.normal()) * np.sinc(x) * np.cos(np.pi * x / 84) ** 2
    for formant, width in ((600, 80), (1100, 90), (2700, 120)):
        r = np.exp(-np.pi * width / FS)
        wav = lfilter([1 - r], [1, -2 * r * np.cos(2 * np.pi * formant / FS), r * r], wav)
    wav *= 0.3 / np.abs(wav).max()
    wav += rng.normal(size=len(wav)) * np.std(wav) * 10 ** (noise_db / 20)
    return wav, times


def frames(hz: float, sec: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Times (s) and F0 (Hz) a frame of 10 ms, voiced where `voice` is."""
    times = np.arange(int(sec * 100)) / 100 + 0.005
    return times, np.where((times > 0.07) & (times < sec - 0.07), hz, 0.0)


def after(*periods_ms: float) -> np.ndarray:
    """Pulses (s) that lie so many ms apart."""
    return np.cumsum([100.0, *periods_ms]) / 1000


def test_jitter_in_closed_form():
    assert jitter(after(5, 5.2, 5)) == pytest.approx(0.2 / (15.2 / 3))
    assert jitter(after(5, 5, 5)) == pytest.approx(0, abs=1e-12)


def test_a_period_apart_from_both_neighbours_is_no_period():
    assert jitter(after(5, 5.2, 8, 5, 4.9, 5.1)) == pytest.approx((0.5 / 3) / (25.2 / 5))
    # 8 and 8.2 agree with each other
    assert jitter(after(5, 5.2, 8, 8.2, 4.9, 5.1)) == pytest.approx(0.2 / (36.4 / 6))


def test_a_breath_between_notes_is_no_period():
    assert jitter(after(5, 5.2, 300, 5, 4.9)) == pytest.approx((0.3 / 2) / (20.1 / 4))


@pytest.mark.parametrize("times", [after(), after(5), after(5, 8), after(30, 30), np.zeros(0)])
def test_without_two_periods_there_is_no_jitter_and_no_shimmer(times):
    assert np.isnan(jitter(times)) and np.isnan(shimmer(np.ones(FS), FS, times))


def test_shimmer_in_closed_form():
    wav = np.zeros(FS)
    times = (np.arange(10, 18) * 240 + 0.5) / FS
    wav[np.arange(10, 18) * 240] = np.tile([1.0, 1.2], 4)
    _, amplitudes = pulse_amplitudes(wav, FS, times)
    assert len(amplitudes) == 6 and amplitudes[0] / amplitudes[1] == pytest.approx(1.2)
    assert shimmer(wav, FS, times) == pytest.approx(0.2 / (1.2 * 3 + 1.0 * 2) * 5)
    wav[np.arange(11, 18, 2) * 240] = 2.0  # too far apart
    assert np.isnan(shimmer(wav, FS, times))


@pytest.mark.parametrize("hz", [110.0, 220.0, 523.0])
def test_pulses_are_a_period_apart(hz):
    wav, true = voice(hz)
    found = pulses(wav, FS, *frames(hz))
    assert np.abs(np.diff(found) - 1 / hz).max() < 2e-6
    assert 0.95 * 0.86 * hz < len(found) <= len(true)


@pytest.mark.parametrize(("hz", "amount"), [(110.0, 0.01), (110.0, 0.02), (220.0, 0.01)])
def test_jitter_of_a_voice_is_that_of_its_pulses(hz, amount):
    wav, true = voice(hz, jitter=amount)
    assert jitter(true) == pytest.approx(1.128 * amount, rel=0.15)  # of independent periods
    measured = voice_quality(wav, FS, *frames(hz)).jitter
    # the ringing of the formants moves a pulse's best match towards its neighbours
    assert 0.5 * jitter(true) < measured < 1.1 * jitter(true)


def test_jitter_shimmer_and_noise_are_told_apart():
    steady = voice_quality(voice(200.0)[0], FS, *frames(200.0))
    rough = voice_quality(voice(200.0, jitter=0.01)[0], FS, *frames(200.0))
    unsteady = voice_quality(voice(200.0, shimmer=0.1)[0], FS, *frames(200.0))
    breathy = voice_quality(voice(200.0, noise_db=-10)[0], FS, *frames(200.0))
    assert steady.jitter < 2e-4 and steady.shimmer < 2e-3 and steady.hnr_db > 50
    assert rough.jitter > 0.006
    assert unsteady.shimmer > 0.05 and unsteady.jitter < 0.003
    assert breathy.hnr_db == pytest.approx(10, abs=1.5)


@pytest.mark.parametrize("noise_db", [0.0, -10.0, -20.0, -30.0])
@pytest.mark.parametrize("hz", [150.0, 330.0])
def test_hnr_is_the_level_of_harmonics_above_noise(hz, noise_db):
    t = np.arange(2 * FS) / FS
    wav = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 12)) * 0.1
    wav = wav + np.random.default_rng(0).normal(size=len(wav)) * wav.std() * 10 ** (noise_db / 20)
    # at 0 dB the highest of the peaks of chance correlation is taken as often as the period's
    assert mean_hnr_db(wav, FS) == pytest.approx(-noise_db, abs=1.0 if noise_db else 2.5)


def test_silence_has_no_quality():
    nothing = voice_quality(np.zeros(FS), FS, *frames(200.0))
    assert all(np.isnan(value) for value in vars(nothing).values())
    unvoiced = voice_quality(voice(200.0)[0], FS, frames(200.0)[0], np.zeros(100))
    assert np.isnan(unvoiced.jitter) and np.isnan(unvoiced.shimmer)
    assert (
        len(harmonicity_db(np.ones(10), FS)) == 0
        and len(pulses(np.zeros(0), FS, np.zeros(0), np.zeros(0))) == 0
    )


def test_the_quiet_end_does_not_count():
    wav = np.r_[voice(200.0, noise_db=-20)[0], np.random.default_rng(1).normal(size=FS) * 1e-5]
    assert mean_hnr_db(wav, FS) == pytest.approx(mean_hnr_db(wav[:FS], FS), abs=0.1)


@pytest.fixture
def praat() -> SimpleNamespace:
    """What Praat says of samples; GPL, so no part of the toolkit but the measure of it."""
    parselmouth = pytest.importorskip("parselmouth", reason="praat-parselmouth is not installed")
    call = parselmouth.praat.call

    def quality(wav: np.ndarray, fs: int, times: np.ndarray) -> VoiceQuality:
        sound = parselmouth.Sound(np.asarray(wav, np.float64), fs)
        points = call("Create empty PointProcess", "pulses", 0, sound.duration)
        for time in times:
            call(points, "Add point", float(time))
        return VoiceQuality(
            call(points, "Get jitter (local)", *PERIOD_OPTIONS),
            call([sound, points], "Get shimmer (local)", *PERIOD_OPTIONS, AMPLITUDE_FACTOR),
            call(sound.to_harmonicity_cc(0.01, 75.0, 0.1, 1.0), "Get mean", 0, 0),
        )

    def pitch_and_pulses(wav: np.ndarray, fs: int) -> tuple[np.ndarray, ...]:
        sound = parselmouth.Sound(np.asarray(wav, np.float64), fs)
        pitch = sound.to_pitch_ac(0.01, 75.0, 15, False, 0.03, 0.45, 0.01, 0.35, 0.14, 1100.0)
        points = call([sound, pitch], "To PointProcess (cc)")
        count = call(points, "Get number of points")
        found = np.array([call(points, "Get time from index", k + 1) for k in range(count)])
        return pitch.xs(), pitch.selected_array["frequency"], found

    return SimpleNamespace(quality=quality, pitch_and_pulses=pitch_and_pulses)


def test_the_formulas_are_praats(praat):
    rng = np.random.default_rng(0)
    wav = rng.normal(size=FS) * 0.1
    for spread in (0.02, 0.15, 0.4) * 5:
        periods = 0.005 * np.exp(rng.normal(size=60) * spread)
        periods[rng.random(60) < 0.05] = 0.03
        times = 0.1 + np.cumsum(periods)
        times = times[times < 0.95]
        theirs = praat.quality(wav, FS, times)
        assert jitter(times) == pytest.approx(theirs.jitter, rel=1e-9, nan_ok=True)
        assert shimmer(wav, FS, times) == pytest.approx(theirs.shimmer, rel=1e-9, nan_ok=True)


@pytest.mark.parametrize(
    ("hz", "jittered", "shimmered", "noise_db"),
    [(110.0, 0.005, 0.02, -40.0), (220.0, 0.01, 0.05, -25.0), (440.0, 0.02, 0.03, -20.0)],
)
def test_a_voice_sounds_to_us_as_to_praat(praat, hz, jittered, shimmered, noise_db):
    agrees(praat, voice(hz, jittered, shimmered, noise_db, sec=2.0)[0], FS)


def test_real_singing_sounds_to_us_as_to_praat(praat, real_singing):
    for path in sorted(real_singing.rglob("*.wav")):
        wav, fs = read_wav(path)
        agrees(praat, wav[: 10 * fs], fs, rel=0.1)


def agrees(praat: SimpleNamespace, wav: np.ndarray, fs: int, rel: float = 0.02) -> None:
    times, f0, theirs = praat.pitch_and_pulses(wav, fs)
    expected, ours = praat.quality(wav, fs, theirs), voice_quality(wav, fs, times, f0)
    assert ours.jitter == pytest.approx(expected.jitter, rel=rel)
    assert ours.shimmer == pytest.approx(expected.shimmer, rel=rel)
    assert ours.hnr_db == pytest.approx(expected.hnr_db, abs=0.1)
