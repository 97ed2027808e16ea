"""Averaged weights."""

import torch

from espnet2_ext.networks.ema import EMA


def test_average_follows_and_is_put_back():
    module = torch.nn.Linear(2, 2)
    ema = EMA(module, 0.5)
    ema.update(module)
    old = module.weight.detach().clone()
    with torch.no_grad():
        module.weight += 1
    ema.update(module)
    with ema.applied(module):
        assert (module.weight > old).all() and (module.weight < old + 1).all()
    torch.testing.assert_close(module.weight.detach(), old + 1)
