"""Sequences end to end compute what they compute padded, in 32 and nearly in 16 bits."""

import pytest
import torch

from espnet2_ext.networks import packed
from espnet2_ext.networks.bidirectional import BidirectionalLlama, real_positions
from espnet2_ext.train.partial import add_lora

LENGTHS, WANTED = [9, 4, 4, 12], [5, 4, 2, 12]


@pytest.fixture
def network() -> BidirectionalLlama:
    torch.manual_seed(0)
    network = BidirectionalLlama(16, 2, 3).eval()
    for layer in network.layers:
        torch.nn.init.normal_(layer.input_layernorm.to_weight.weight, std=0.2)
    return network


def both(network, x, dtype=None) -> tuple[torch.Tensor, torch.Tensor]:
    """States of the last positions, padded and end to end."""
    mask = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
    with torch.no_grad():
        padded = network(x, torch.full((4,), 0.3), mask)
        spans = zip(LENGTHS, WANTED, strict=True)
        expected = torch.cat([padded[b, n - w : n] for b, (n, w) in enumerate(spans)])
        ours = packed.PackedLlama(network, dtype)
        layout = ours.layout(LENGTHS, WANTED)
        return expected, ours(x[mask], ours.modulation(torch.tensor([0.3]))[0], layout)


@pytest.mark.parametrize("positions", [8, 15, 1024])
def test_sequences_end_to_end(network, monkeypatch, positions):
    monkeypatch.setattr(packed, "CPU_POSITIONS", positions)
    torch.testing.assert_close(*both(network, torch.randn(4, 12, 16)), atol=1e-5, rtol=1e-4)


def test_products_in_16_bits(network):
    expected, found = both(network, torch.randn(4, 12, 16), torch.bfloat16)
    assert found.dtype == torch.float32
    assert (found - expected).norm() / expected.norm() < 0.02


def test_adapters_count(network):
    plain, _ = both(network, torch.ones(4, 12, 16))
    add_lora(network, ["q_proj", "o_proj"], 2, 4.0, 0.1)
    for name, weight in network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight)
    adapted, found = both(network.eval(), torch.ones(4, 12, 16))
    torch.testing.assert_close(found, adapted, atol=1e-5, rtol=1e-4)
    assert not torch.allclose(adapted, plain, atol=1e-3)


def test_attention_as_a_gpu_computes_it():
    q, k, v = torch.randn(sum(WANTED), 2, 8), *torch.randn(2, sum(LENGTHS), 2, 8)
    turn = torch.ones(sum(LENGTHS), 1, 4, dtype=torch.complex64)
    part = packed.Part(tuple(LENGTHS), tuple(WANTED), None, turn)
    one_by_one = packed._attend(q, k, v, part, True)
    at_once = packed._attend_padded(q, k, v, LENGTHS, WANTED)
    torch.testing.assert_close(at_once, one_by_one)


def test_padding_may_stand_anywhere(network):
    mask = torch.tensor([[False, True, True, False, True], [True] * 5])
    assert real_positions(mask).tolist() == [[0, 0, 1, 1, 2], [0, 1, 2, 3, 4]]
    x = torch.randn(2, 5, 16)
    with torch.no_grad():
        found = network(x, torch.full((2,), 0.5), mask)[0, mask[0]]
        alone = network(x[:1, mask[0]], torch.tensor([0.5]), torch.ones(1, 3, dtype=torch.bool))
    torch.testing.assert_close(found, alone[0], atol=1e-5, rtol=1e-4)


def test_sizes_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="width 18 is not divisible by 2 x 4 heads"):
        BidirectionalLlama(18, 4, 1)
