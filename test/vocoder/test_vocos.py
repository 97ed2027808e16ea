"""Vocos as a vocoder: lengths, parts of songs, gradients, and one utterance learnt."""

from pathlib import Path

import pytest
import torch

from espnet2_ext.audio.mel import LogMel, MelConfig
from espnet2_ext.vocoder import inference
from espnet2_ext.vocoder.inference import VocoderInference
from espnet2_ext.vocoder.model import VocoderModel
from espnet2_ext.vocoder.vocos import VocosVocoder

ROOT = Path(__file__).parents[2]
TINY = {"width": 16, "inner": 16, "n_layers": 2}
RATES = {"": 24000, "_44k": 44100, "_48k": 48000, "_44k_512": 44100}


def tiny(rate: str = "", **options: int) -> VocosVocoder:
    torch.manual_seed(0)
    return VocosVocoder(MelConfig.load(ROOT / f"conf/mel{rate}.yaml"), **TINY, **options)


@torch.no_grad()
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("n_frames", [1, 9])
def test_length_is_exact(rate: str, n_frames: int) -> None:
    vocoder = tiny(rate)
    made = vocoder(torch.zeros(2, n_frames, vocoder.mel.n_mels), torch.zeros(2, n_frames))
    assert made.shape == (2, n_frames * vocoder.mel.hop_length)
    assert torch.isfinite(made).all()


@torch.no_grad()
def test_a_song_in_parts_is_the_song(monkeypatch: pytest.MonkeyPatch) -> None:
    vocoder = VocoderInference(tiny())
    mel = torch.randn(300, vocoder.mel.n_mels) - 5
    (whole,) = vocoder.generate([mel])
    monkeypatch.setattr(inference, "CHUNK_FRAMES", 40)
    (parts,) = vocoder.generate([mel])
    assert torch.allclose(parts, whole, atol=1e-5)
    short, alone = vocoder.generate([mel[:30], mel])[0], vocoder.generate([mel[:30]])[0]
    assert torch.equal(short, alone)


@torch.no_grad()
def test_f0_changes_nothing() -> None:
    vocoder, mel = tiny(), torch.randn(1, 9, 80)
    assert not vocoder.uses_f0
    assert torch.equal(vocoder(mel, torch.zeros(1, 9)), vocoder(mel, torch.full((1, 9), 220.0)))


def test_gradients_reach_every_parameter() -> None:
    vocoder = tiny()
    vocoder(torch.randn(2, 9, 80) - 5, torch.zeros(2, 9)).square().sum().backward()
    for name, parameter in vocoder.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def test_training_brings_the_wave_nearer() -> None:
    model = VocoderModel(tiny(), stft_sizes=(512,), mel_noise=0, mel_blur=0).train()
    wav = 0.1 * torch.sin(torch.arange(16 * 240) * 2 * torch.pi * 440 / 24000)[None]
    mel = LogMel(model.vocoder.mel)(wav)
    optimizer = torch.optim.Adam(model.generator.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = model(mel=mel, wav=wav)["loss"]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("n_fft", [400, 1023])
def test_frames_that_cannot_be_added_up_are_refused(n_fft: int) -> None:
    with pytest.raises(ValueError, match=f"n_fft {n_fft}"):
        tiny(n_fft=n_fft)


def test_the_published_size() -> None:
    with torch.device("meta"):
        vocoder = VocosVocoder(MelConfig())
    assert sum(p.numel() for p in vocoder.parameters()) == pytest.approx(13.5e6, rel=0.02)
