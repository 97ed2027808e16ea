"""F0 from mel: it can be learned, and read off its probabilities to a fraction of a bin."""

import torch

from espnet2_ext.audio.mel import LogMel, MelConfig
from espnet2_ext.vocoder.f0_predictor import F0Predictor
from espnet2_ext.vocoder.source import PulseTrain

MEL = MelConfig()


def test_overfits_a_tiny_melody() -> None:
    torch.manual_seed(0)
    notes = torch.tensor([60, 62, 64, 67, 65, 0, 60, 72]).repeat_interleave(8).unsqueeze(0)
    f0 = 440 * 2 ** ((notes - 69) / 12) * (notes > 0)
    wav = PulseTrain(MEL.fs, MEL.hop_length)(f0.clamp_min(100)) * 0.02
    wav = wav * (f0 > 0).repeat_interleave(MEL.hop_length, 1) + 1e-3 * torch.randn_like(wav)
    mel = LogMel(MEL)(wav)
    predictor = F0Predictor(MEL, dim=32, n_layers=1, bins_per_semitone=2)
    optimizer = torch.optim.AdamW(predictor.parameters(), lr=5e-3)
    for _ in range(50):
        loss = predictor.loss(mel, f0)
        optimizer.zero_grad()
        (loss.pitch + loss.voicing).backward()
        optimizer.step()
    with torch.no_grad():
        predicted = predictor(mel)
    both = (f0 > 0) & (predicted > 0)
    assert ((f0 > 0) == (predicted > 0)).float().mean() > 0.95
    cents = 1200 * (predicted[both] / f0[both]).log2().abs()
    assert cents.median() < 10


def test_gradients_reach_every_parameter_and_an_unvoiced_batch_is_finite() -> None:
    predictor = F0Predictor(MEL, dim=16, n_layers=1)
    mel = torch.randn(2, 20, MEL.n_mels)
    loss = predictor.loss(mel, torch.full((2, 20), 200.0))
    (loss.pitch + loss.voicing).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in predictor.parameters())
    unvoiced = predictor.loss(mel, torch.zeros(2, 20))
    assert unvoiced.pitch == 0 and torch.isfinite(unvoiced.voicing)


def test_f0_stays_in_range() -> None:
    predictor = F0Predictor(MEL, dim=16, n_layers=1, low_hz=100.0, high_hz=400.0)
    f0 = predictor(10 * torch.randn(1, 200, MEL.n_mels))
    assert ((f0 == 0) | ((f0 > 99) & (f0 < 410))).all()
