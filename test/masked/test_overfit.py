"""A tiny generator learns a few sequences by heart, and decodes them back."""

import pytest
import torch

from espnet2_ext.masked.config import MaskedConfig, NetworkConfig
from espnet2_ext.masked.decoding import decode
from espnet2_ext.masked.generator import MaskedTokens
from espnet2_ext.masked.noise import Noise
from espnet2_ext.masked.options import MaskedDecoding
from espnet2_ext.masked.steering import Steering
from espnet2_ext.masked.task import Task


@pytest.mark.slow
def test_sequences_learnt_by_heart_are_decoded_back():
    torch.manual_seed(0)
    lengths, codes = torch.tensor([14, 11, 9]), (12, 8)
    tokens = torch.stack([torch.randint(k, (3, 14)) for k in codes], -1)
    steering = Steering(torch.randn(3, 14, 32))
    model = MaskedTokens(codes, MaskedConfig(NetworkConfig(32, 2, 2)))
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    losses = []
    for step in range(200):
        for group in optimizer.param_groups:
            group["lr"] = 5e-3 * (1 - step / 200)
        predicted = model.loss(tokens, lengths, steering)
        optimizer.zero_grad()
        predicted.loss.backward()
        optimizer.step()
        losses.append(predicted.loss.item())
    assert losses[0] > 2 and sum(losses[-20:]) / 20 < 0.1
    model.eval()
    for prompts in ([0, 0, 0], [4, 3, 2]):
        task = Task(tokens, lengths, torch.tensor(prompts))
        config = MaskedDecoding(steps=[6, 3], guidance=1.0, temperature=0.5)
        found = decode(model, task, steering, None, config, Noise(range(3))).tokens
        real = torch.arange(14) < lengths[:, None]
        assert torch.equal(found[real], tokens[real])
