"""The judges' features and trunk, and what they are augmented with."""

import numpy as np
import pytest
import torch

from espnet2_ext.judges.augment import perturb, stretch_time, warp_frequency
from espnet2_ext.judges.network import N_MELS, Trunk, TrunkConfig, judge_mel, out_lengths


def test_mel_does_not_hear_gain_and_counts_frames_alike_at_any_rate():
    wav = np.random.default_rng(0).normal(size=24000).astype(np.float32) * 0.1
    mel = judge_mel(wav, 24000)
    assert mel.shape == (101, N_MELS)
    torch.testing.assert_close(judge_mel(0.25 * wav, 24000), mel, atol=1e-3, rtol=0)
    assert len(judge_mel(wav[:16000], 16000)) == 101
    with pytest.raises(ValueError, match="8000"):
        judge_mel(wav, 8000)


def test_padding_does_not_leak():
    trunk = Trunk(TrunkConfig(channels=16, n_blocks=2)).eval()
    short, long = torch.randn(31, N_MELS), torch.randn(50, N_MELS)
    batch = torch.nn.utils.rnn.pad_sequence([short, long], batch_first=True)
    together, lengths = trunk(batch, torch.tensor([31, 50]))
    alone, _ = trunk(short[None], torch.tensor([31]))
    assert lengths.tolist() == [16, 25] == out_lengths(torch.tensor([31, 50])).tolist()
    torch.testing.assert_close(together[0, :16], alone[0])


def test_every_parameter_gets_a_finite_gradient():
    trunk = Trunk(TrunkConfig(channels=16, n_blocks=2))
    trunk(torch.randn(2, 20, N_MELS), torch.tensor([20, 11]))[0].square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in trunk.parameters())


def test_warping_moves_a_peak_and_stretching_keeps_track_of_frames():
    mel = torch.zeros(40, N_MELS)
    mel[:, 20] = 1
    assert warp_frequency(mel, 1.5)[0].argmax() == 30
    stretched, source = stretch_time(torch.arange(40.0)[:, None].expand(40, N_MELS), 1.5)
    assert len(stretched) == len(source) == 60
    assert (stretched[:, 0] - source).abs().max() <= 0.5
    generator = torch.Generator().manual_seed(0)
    out, source = perturb(torch.randn(100, N_MELS), generator)
    assert len(out) == len(source) and out.isfinite().all() and source.max() == 99
