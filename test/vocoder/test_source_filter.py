"""The source-filter vocoder: pitch, voicing, level, length, and invariance to batching."""

import pytest
import torch

from espnet2_ext.audio.f0 import extract_f0
from espnet2_ext.audio.mel import LogMel, MelConfig
from espnet2_ext.vocoder.source_filter import SourceFilterVocoder

MEL = MelConfig()


@pytest.fixture
def vocoder() -> SourceFilterVocoder:
    torch.manual_seed(0)
    return SourceFilterVocoder(MEL, dim=16, n_layers=2).eval()


def features(n_frames: int, hz: float = 220.0) -> tuple[torch.Tensor, torch.Tensor]:
    tilt = torch.linspace(-1.5, -4.5, MEL.n_mels)
    return tilt.expand(1, n_frames, -1).clone(), torch.full((1, n_frames), hz)


@torch.no_grad()
def test_heard_f0_is_the_given_one(vocoder: SourceFilterVocoder) -> None:
    mel, f0 = features(200)
    f0 = f0 * 2 ** (0.3 * torch.sin(torch.arange(200) / 15) / 12 + 0.25)
    wav = vocoder.parts(mel, f0, start_frame=0).harmonic[0]
    heard = torch.from_numpy(extract_f0(wav.numpy(), MEL.fs, MEL.hop_length))
    cents = 1200 * (heard[20:180] / f0[0, 20:180]).log2().abs()
    assert (heard[20:180] > 0).all() and cents.median() < 5 and cents.max() < 30


@torch.no_grad()
def test_without_f0_there_is_only_noise(vocoder: SourceFilterVocoder) -> None:
    mel, f0 = features(100)
    parts = vocoder.parts(mel, 0 * f0, start_frame=0)
    assert parts.harmonic.abs().max() == 0
    assert parts.noise.std() > 1e-3
    f0[:, 50:] = 0
    parts = vocoder.parts(mel, f0, start_frame=0)
    assert parts.harmonic[0, 52 * 240 + 512 :].abs().max() < 1e-5
    assert parts.harmonic[0, : 48 * 240].std() > 1e-3


@torch.no_grad()
def test_untrained_level_matches_the_mel(vocoder: SourceFilterVocoder) -> None:
    mel, f0 = features(100)
    parts = vocoder.parts(mel, f0, start_frame=0)
    log_mel = LogMel(MEL)
    for part in (parts.harmonic, parts.noise):
        difference = (log_mel(part) - mel)[0, 20:80, 10:70].mean()
        assert difference.abs() < 0.7, difference


@torch.no_grad()
@pytest.mark.parametrize("n_frames", [1, 2, 37])
def test_length_is_exact_and_silence_is_silent(vocoder: SourceFilterVocoder, n_frames: int) -> None:
    mel = torch.full((2, n_frames, MEL.n_mels), float(torch.tensor(MEL.floor).log()))
    wav = vocoder(mel, torch.zeros(2, n_frames), start_frame=0)
    assert wav.shape == (2, n_frames * MEL.hop_length)
    assert wav.abs().max() < 1e-3


@torch.no_grad()
def test_batched_equals_single(vocoder: SourceFilterVocoder) -> None:
    torch.nn.init.normal_(vocoder.network.output.weight, std=0.02)
    mel, f0 = torch.randn(2, 60, MEL.n_mels) - 4, torch.full((2, 60), 200.0)
    f0[0, :7] = 0
    f0[1, 40:] = mel[1, 40:] = 0
    mask = torch.ones(2, 60)
    mask[1, 40:] = 0
    both = vocoder(mel, f0, mask, start_frame=0)
    alone = vocoder(mel[1:, :40], f0[1:, :40], start_frame=0)
    n = 40 * MEL.hop_length
    assert (both[1, :n] - alone[0]).abs().max() < 1e-4 * alone.abs().max()


def test_gradients_reach_every_parameter(vocoder: SourceFilterVocoder) -> None:
    torch.nn.init.normal_(vocoder.network.output.weight, std=0.1)
    mel, f0 = features(30)
    LogMel(MEL)(vocoder(mel, f0)).sum().backward()
    for name, parameter in vocoder.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


@torch.no_grad()
def test_extreme_features_stay_finite(vocoder: SourceFilterVocoder) -> None:
    for mel_value, hz in ((-60.0, 30.0), (40.0, 3000.0)):
        mel, f0 = torch.full((1, 20, MEL.n_mels), mel_value), torch.full((1, 20), hz)
        assert torch.isfinite(vocoder(mel, f0, start_frame=0)).all()
