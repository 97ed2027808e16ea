"""Several channels become one: what may be mixed, what is said, what is refused."""

import logging

import numpy as np
import pytest
import soundfile

from espnet2_ext.audio.channels import Channels, mix
from espnet2_ext.audio.wav import read_wav
from espnet2_ext.errors import UserError

FS = 16000
RNG = np.random.default_rng


def melody(seed: int, note_sec: float, lowest_hz: float, seconds: float = 6.0) -> np.ndarray:
    """Harmonics of drawn notes; each begins with noise and ends in a pause."""
    rng = RNG(seed)
    times = np.arange(round(seconds * FS)) / FS
    notes, within = (times / note_sec).astype(int), (times / note_sec) % 1
    f0_hz = lowest_hz * 2 ** (rng.integers(0, 24, notes[-1] + 1)[notes] / 24)
    phase = 2 * np.pi * np.cumsum(f0_hz) / FS
    tones = sum(np.sin(k * phase) / k for k in range(1, 12))
    wav = np.where(within < 0.2, 0.3 * rng.standard_normal(len(times)), tones) * (within < 0.85)
    return (0.1 * wav).astype(np.float32)


VOICE = melody(0, 0.45, 261.6)
BAND = melody(1, 0.31, 110.0)


def room(wav: np.ndarray, seed: int, seconds: float = 0.3) -> np.ndarray:
    """As another microphone hears it."""
    tail = RNG(seed).standard_normal(round(seconds * FS))
    tail *= np.exp(-np.arange(len(tail)) * 6.9 / len(tail))
    tail /= np.sqrt(np.sum(tail**2))
    return (wav + np.convolve(wav, tail)[: len(wav)]).astype(np.float32)


def pair(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.stack([left, right], axis=1).astype(np.float32)


@pytest.mark.parametrize(
    ("samples", "level"),
    [
        (pair(VOICE, VOICE), 1.0),
        (pair(VOICE, 0 * VOICE), 0.5),
        (pair(VOICE, -0.3 * VOICE), 0.35),
        (np.stack([*[0 * VOICE] * 5, VOICE], axis=1), 1 / 6),
        (VOICE[:, None], 1.0),
    ],
    ids=["twice", "one side", "partly of opposite phase", "one of six", "one"],
)
def test_channels_of_one_voice_have_it_as_their_mean(samples, level) -> None:
    wav, channels = mix(samples, FS, "x.wav")
    assert np.allclose(wav, level * VOICE, atol=1e-6)
    assert not channels.unrelated and channels.number == samples.shape[1]


@pytest.mark.parametrize("share", [1.0, 0.8, 0.95])
def test_channels_of_opposite_phase_are_refused(tmp_path, share) -> None:
    samples = pair(VOICE, -share * VOICE)
    with pytest.raises(UserError, match=r"x.wav: 2 channels that cancel each other \(expected"):
        mix(samples, FS, "x.wav")
    soundfile.write(tmp_path / "x.wav", samples, FS)
    with pytest.raises(UserError, match="cancel each other"):
        read_wav(tmp_path / "x.wav")


def test_a_voice_beside_its_accompaniment_is_said(tmp_path, caplog) -> None:
    soundfile.write(tmp_path / "x.wav", pair(BAND, VOICE), FS)
    with caplog.at_level(logging.WARNING):
        wav, _ = read_wav(tmp_path / "x.wav")
    assert np.abs(wav - (VOICE + BAND) / 2).max() < 1e-3
    assert "2 channels that hold different sounds" in caplog.text


@pytest.mark.parametrize("seed", range(3))
def test_microphones_at_a_distance_hear_one_voice(seed) -> None:
    noise = 1e-4 * RNG(seed + 9).standard_normal((len(VOICE), 2)).astype(np.float32)
    later = np.pad(VOICE, (100, 0))[: len(VOICE)]
    for other in (later, 0.3 * later, room(VOICE, seed + 5), VOICE + 0.5 * BAND):
        for first in (VOICE, room(VOICE, seed)):
            assert not Channels.of(pair(first, other) + noise, FS).unrelated
    assert Channels.of(pair(room(VOICE, seed), room(BAND, seed + 5)) + noise, FS).unrelated


def test_a_few_samples_and_silence_are_not_judged() -> None:
    for samples in (np.zeros((5, 2)), np.eye(3, 2), RNG(0).standard_normal((100, 2))):
        assert not Channels.of(samples.astype(np.float32), FS).unrelated
