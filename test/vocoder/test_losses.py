"""Losses vanish at the target, and their gradients are finite at silence."""

import numpy as np
import pytest
import torch

from espnet2_ext.errors import UserError
from espnet2_ext.vocoder.crops import CropPreprocessor
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


def utterance(n_frames: int, n_samples: int | None = None) -> dict[str, np.ndarray]:
    frames = np.arange(n_frames, dtype=np.float32)
    return {
        "mel": np.repeat(frames[:, None], 3, 1),
        "f0": frames,
        "wav": np.repeat(frames, 10)[:n_samples],
    }


@pytest.mark.parametrize("train", [True, False])
def test_crops_stay_aligned(train: bool) -> None:
    crop = CropPreprocessor(8, 10, -9.0, train)
    for _ in range(20):
        cut = crop("utt", utterance(30))
        assert cut["mel"].shape == (8, 3) and cut["wav"].shape == (80,)
        np.testing.assert_array_equal(cut["mel"][:, 0], cut["f0"])
        np.testing.assert_array_equal(cut["wav"][::10], cut["f0"])


def test_short_utterances_are_padded_with_silence() -> None:
    cut = CropPreprocessor(8, 10, -9.0, True)("utt", utterance(5, 45))
    assert (cut["mel"][5:] == -9).all() and (cut["f0"][5:] == 0).all()
    assert cut["wav"].shape == (80,) and (cut["wav"][45:] == 0).all()


def test_streams_of_another_utterance_are_refused() -> None:
    crop = CropPreprocessor(8, 10, -9.0, True)
    with pytest.raises(UserError, match="utt7: wav: 100 samples"):
        crop("utt7", {**utterance(30), "wav": np.zeros(100, np.float32)})
    with pytest.raises(UserError, match="29 frames"):
        crop("utt7", {**utterance(30), "f0": np.zeros(29, np.float32)})
