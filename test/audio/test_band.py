"""How far up a spectrum reaches: filters leave an edge in noise, voices and tones leave none."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from scipy.signal import butter, sosfilt

from espnet2_ext.audio.band import Band
from espnet2_ext.audio.wav import read_wav

RATES = [16000, 24000, 44100, 48000]


def harmonics(f0_hz: np.ndarray, fs: int, number: int = 20) -> np.ndarray:
    """Tones of F0 (N,) in Hz and its multiples."""
    phase = 2 * np.pi * np.cumsum(f0_hz) / fs
    return 0.2 * sum(np.sin(k * phase) / k for k in range(1, number + 1))


def singing(fs: int, seed: int = 0) -> np.ndarray:
    """Four syllables of 0.5 s: a fricative of noise, then harmonics; in a room's noise."""
    rng = np.random.default_rng(seed)
    times = np.arange(2 * fs) / fs
    fricative = (times % 0.5) < 0.15
    wav = harmonics(np.full(len(times), 220.0), fs, 15) * ~fricative
    wav += 0.03 * rng.standard_normal(len(times)) * fricative
    return (wav + 1e-5 * rng.standard_normal(len(times))).astype(np.float32)


def rounded(wav: np.ndarray, bits: int = 16) -> np.ndarray:
    scale = 2.0 ** (bits - 1)
    return (np.clip(np.round(wav * scale), -scale, scale - 1) / scale).astype(np.float32)


def via(wav: np.ndarray, fs: int, low_fs: int) -> np.ndarray:
    """Brought down to a rate and up again."""
    return soxr.resample(soxr.resample(wav, fs, low_fs), low_fs, fs)


@pytest.mark.parametrize(
    ("fs", "low_fs"),
    [(44100, 22050), (44100, 16000), (44100, 32000), (24000, 8000), (24000, 16000), (48000, 22050)],
)
def test_what_was_resampled_up_ends_at_half_its_former_rate(fs: int, low_fs: int) -> None:
    for wav in (via(singing(fs), fs, low_fs), rounded(via(singing(fs), fs, low_fs))):
        edge_hz = Band.of(wav, fs).edge_hz()
        assert edge_hz == pytest.approx(low_fs / 2, rel=0.08)


def test_a_lossy_codec_leaves_an_edge() -> None:
    file = io.BytesIO()
    wav = singing(44100)
    options = {"format": "MP3", "bitrate_mode": "CONSTANT", "compression_level": 0.8}
    soundfile.write(file, np.stack([wav, wav], 1), 44100, **options)
    file.seek(0)
    decoded = soundfile.read(file, dtype="float32")[0].mean(1)
    assert 14000 < Band.of(decoded, 44100).edge_hz() < 16500


@pytest.mark.parametrize("fs", RATES)
def test_a_full_band_has_no_edge(fs: int) -> None:
    wav = singing(fs)
    for spoilt in (wav, rounded(wav), rounded(wav, 8), rounded(0.03 * wav)):
        assert Band.of(spoilt, fs).edge_hz() is None


@pytest.mark.parametrize("fs", [16000, 24000])
def test_the_filter_of_a_converter_is_no_edge(fs: int) -> None:
    assert Band.of(rounded(soxr.resample(singing(48000), 48000, fs)), fs).edge_hz() is None


@pytest.mark.parametrize("fs", RATES)
def test_tones_without_noise_are_not_judged_and_noise_that_ends_softly_has_no_edge(fs: int) -> None:
    rng = np.random.default_rng(0)
    times = np.arange(2 * fs) / fs
    steady, noise = np.full(len(times), 220.0), 0.1 * rng.standard_normal(len(times))
    melody = np.array([220, 247, 262, 294, 330, 220, 440, 330.0])[(times * 4).astype(int)]
    signals = {
        "tone": 0.5 * np.sin(2 * np.pi * 440 * times),
        "high tone": 0.5 * np.sin(2 * np.pi * 7000 * times),
        "harmonics": harmonics(steady, fs),
        "low harmonics": harmonics(steady / 3, fs, 40),
        "vibrato": harmonics(220 * 2 ** (np.sin(2 * np.pi * 5.5 * times) / 24), fs),
        "melody": harmonics(melody, fs),
        "melody with gaps": harmonics(melody, fs) * ((times % 0.25) > 0.05),
        "silence": 0 * times,
        "white": noise,
        "12 dB per octave": sosfilt(butter(2, 3000, fs=fs, output="sos"), noise),
        "24 dB per octave": sosfilt(butter(4, 5000, fs=fs, output="sos"), noise),
    }
    for name, wav in signals.items():
        for spoilt in (wav.astype(np.float32), rounded(wav), rounded(wav, 8)):
            assert Band.of(spoilt, fs).edge_hz() is None, name


def test_a_few_samples_are_not_judged() -> None:
    for length in (1, 100, 700):
        assert Band.of(singing(24000)[:length], 24000).edge_hz() is None


def test_real_singing_has_no_edge_until_it_is_resampled_up(real_singing: Path) -> None:
    for path in sorted([*real_singing.rglob("*.wav"), *real_singing.rglob("*.flac")]):
        wav, fs = read_wav(path)
        assert Band.of(wav, fs).edge_hz() is None, path
        for low_fs in (8000, 16000, 22050):
            edge_hz = Band.of(rounded(via(wav, fs, low_fs)), fs).edge_hz()
            assert edge_hz == pytest.approx(low_fs / 2, rel=0.08), path
