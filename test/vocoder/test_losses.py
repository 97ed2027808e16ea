"""Losses vanish at the target, and their gradients are finite at silence."""

import torch

from espnet2_ext.vocoder.losses import MultiResolutionSTFTLoss
from espnet2_ext.vocoder.model import MelCorruption


def test_zero_at_the_target_and_larger_further_away() -> None:
    wav = torch.randn(2, 4800)
    loss = MultiResolutionSTFTLoss((512, 256))
    assert loss(wav, wav) == 0
    assert 0 < loss(1.1 * wav, wav) < loss(2 * wav, wav)


def test_gradient_at_silence_is_finite() -> None:
    wav = torch.zeros(1, 4800, requires_grad=True)
    MultiResolutionSTFTLoss((512,))(wav, torch.randn(1, 4800)).backward()
    assert torch.isfinite(wav.grad).all()


def test_corruption_keeps_constant_mels_without_noise() -> None:
    mel = torch.full((8, 20, 4), -3.0)
    assert torch.allclose(MelCorruption(noise=0.0)(mel), mel)
    noisy = MelCorruption(noise=0.5, blur=0.0)(mel)
    changed = (noisy != mel).flatten(1).any(1).float().mean()
    assert 0 < changed < 1 or changed == 1
