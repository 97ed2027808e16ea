"""The masked generator's training step."""

from dataclasses import replace

import pytest
import torch

from espnet2_ext.masked.config import MaskedConfig, PromptConfig
from espnet2_ext.masked.draw import Draw, draw
from espnet2_ext.masked.generator import MaskedTokens

from .conftest import CODES, batch, build, row

LENGTHS = [11, 7, 9, 4]


def drawn(model: MaskedTokens, lengths: torch.Tensor, L: int, seed: int = 0) -> Draw:
    torch.manual_seed(seed)
    return model.draw(lengths, L)


def one(found: Draw, b: int, length: int) -> Draw:
    parts = {name: getattr(found, name)[b : b + 1] for name in vars(found)}
    return Draw(**{k: v[:, :length] if v.dim() == 2 else v for k, v in parts.items()})


@pytest.mark.parametrize("prefixes", [None, [5, 2, 3, 4]])
def test_a_batch_is_its_utterances_alone(prefixes):
    model = build(prefix_dropout=0.5)
    tokens, lengths, steering = batch(LENGTHS, prefixes=prefixes)
    found = drawn(model, lengths, 11)
    together = model.loss(tokens, lengths, steering, found)
    total = count = 0
    for b, n in enumerate(LENGTHS):
        alone = model.loss(
            tokens[b : b + 1, :n], lengths[b : b + 1], row(steering, b, n), one(found, b, n)
        )
        torch.testing.assert_close(together.hidden[b, :n], alone.hidden[0], atol=2e-5, rtol=1e-4)
        masked = found.mask[b].sum()
        total, count = total + alone.loss * masked, count + masked
    torch.testing.assert_close(together.loss, total / count, atol=1e-5, rtol=1e-5)


def test_the_loss_looks_at_masked_frames_alone():
    model = build()
    tokens, lengths, steering = batch(LENGTHS)
    found = drawn(model, lengths, 11)
    whole = model.loss(tokens, lengths, steering, found)
    log_prob = whole.logits.log_softmax(-1)
    target = tokens.gather(2, found.layer[:, None, None].expand(4, 11, 1))
    expected = -log_prob.gather(2, target)[found.mask].mean()
    torch.testing.assert_close(whole.loss, expected)
    # codes that are masked, hidden above, or padding change the target, never the states
    others = torch.where(found.visible(3), tokens, (tokens + 7) % 20)
    others = torch.where((torch.arange(11) < lengths[:, None])[..., None], others, tokens * 0)
    again = model.loss(others, lengths, steering, found)
    for b, n in enumerate(LENGTHS):
        torch.testing.assert_close(again.hidden[b, :n], whole.hidden[b, :n])
    assert again.loss != whole.loss


def test_what_is_visible_counts():
    model = build()
    tokens, lengths, steering = batch([11])
    found = drawn(model, lengths, 11)
    states = model.hidden(tokens, lengths, steering, found)
    for place in found.visible(3).nonzero()[:, [0, 1, 2]].tolist():
        other = tokens.clone()
        other[tuple(place)] = (other[tuple(place)] + 1) % 20
        assert not torch.allclose(model.hidden(other, lengths, steering, found), states)


def test_draws_keep_the_prompt_and_mask_one_frame_at_least():
    torch.manual_seed(0)
    config = MaskedConfig(prompt=PromptConfig(dropout=0.25), least_masked=0.2)
    lengths = torch.tensor([40, 8, 3, 1]).repeat(500)
    found = draw(lengths, 40, 12, config)
    real = torch.arange(40) < lengths[:, None]
    assert not (found.mask & (found.prompt | ~real)).any() and found.mask.any(1).all()
    prompts = found.prompt.sum(1)
    assert torch.equal(found.prompt, torch.arange(40) < prompts[:, None])
    for n, longest in ((40, 20), (8, 4), (3, 1), (1, 0)):
        own = prompts[lengths == n]
        there = own[own > 0]
        assert own.max() == longest
        if n > 3:
            assert there.min() == min(n // 4, 5)
            assert abs((own == 0).float().mean() - 0.25) < 0.06
    share = found.mask.sum(1) / (lengths - prompts)
    long = lengths == 40
    assert abs(share[long].mean() - (0.2 * 0.128 + 0.6238)) < 0.05  # E max(sin, .2) is about .65
    counts = torch.bincount(found.layer, minlength=12) / len(lengths)
    weights = torch.arange(12, 0, -1) / 78
    assert (counts - weights).abs().max() < 0.03
    second = draw(lengths, 40, 12, replace(config, first_layer=1))
    assert second.layer.min() == 1


def test_dropouts_are_each_utterance_s_own():
    torch.manual_seed(0)
    lengths = torch.full((2000,), 20)
    config = MaskedConfig(prompt=PromptConfig(dropout=0.2), prefix_dropout=0.3, nothing_dropout=0.1)
    found = draw(lengths, 20, 1, config)
    no_prompt = ~found.prompt.any(1)
    assert abs(no_prompt.float().mean() - 0.28) < 0.04
    assert abs(found.no_prefix.float().mean() - 0.37) < 0.04
    both = (no_prompt & found.no_prefix).float().mean()
    assert abs(both - (0.1 + 0.9 * 0.06)) < 0.03


def test_the_end_of_an_utterance_may_be_seen_too():
    torch.manual_seed(0)
    config = MaskedConfig(prompt=PromptConfig(dropout=0.0, around=0.5, longest_share=0.8))
    lengths = torch.tensor([30, 12]).repeat(300)
    found = draw(lengths, 30, 1, config)
    real = torch.arange(30) < lengths[:, None]
    assert not (found.prompt & ~real).any() and found.mask.any(1).all()
    assert not (found.mask & found.prompt).any()
    last = found.prompt.gather(1, lengths[:, None] - 1).float().mean()
    assert abs(last - 0.5) < 0.08
    changes = found.prompt.int().diff(dim=1).abs().sum(1)  # prompt, gap, end, padding
    assert changes.max() <= 3


def test_without_its_prefix_an_utterance_is_as_if_it_had_none():
    model = build()
    tokens, lengths, steering = batch(LENGTHS, prefixes=[5, 2, 3, 4])
    found = replace(drawn(model, lengths, 11), no_prefix=torch.tensor([True, False, True, False]))
    states = model.hidden(tokens, lengths, steering, found)
    bare = model.hidden(tokens, lengths, replace(steering, prefix=None, prefix_mask=None), found)
    for b, n in enumerate(LENGTHS):
        assert torch.allclose(states[b, :n], bare[b, :n], atol=1e-5) == (b % 2 == 0)


def test_label_smoothing_is_over_the_codes_that_a_layer_has():
    codes = (20, 8)
    model = build(codes, label_smoothing=0.1)
    tokens, lengths, steering = batch([6, 6], codes)
    found = drawn(model, lengths, 6)
    for layer, size in enumerate(codes):
        own = replace(found, layer=torch.full((2,), layer))
        predicted = model.loss(tokens, lengths, steering, own)
        assert (predicted.logits[..., size:] == float("-inf")).all()
        expected = torch.nn.functional.cross_entropy(
            predicted.logits[own.mask][:, :size], tokens[own.mask][:, layer], label_smoothing=0.1
        )
        torch.testing.assert_close(predicted.loss, expected)


def test_frames_of_weight_0_are_left_out():
    model = build()
    tokens, lengths, steering = batch(LENGTHS)
    found = drawn(model, lengths, 11)
    half = model.loss(tokens, lengths, steering, found, torch.tensor([1.0, 0.0, 1.0, 0.0]))
    kept = replace(found, mask=found.mask & torch.tensor([[True], [False], [True], [False]]))
    torch.testing.assert_close(half.loss, model.loss(tokens, lengths, steering, kept).loss)
    nothing = model.loss(tokens, lengths, steering, found, torch.zeros(4))
    assert nothing.loss == 0


@pytest.mark.parametrize("checkpointing", [False, True])
def test_finite_gradients_reach_every_parameter(checkpointing):
    model = build().train()
    model.diff_estimator.checkpointing = checkpointing
    tokens, lengths, steering = batch([12] * 16, prefixes=[3] * 16)
    model.loss(tokens, lengths, steering, drawn(model, lengths, 12, seed=1)).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_checkpointing_changes_no_gradient():
    gradients = []
    for checkpointing in (False, True):
        model = build().train()
        model.diff_estimator.checkpointing = checkpointing
        tokens, lengths, steering = batch(LENGTHS)
        model.loss(tokens, lengths, steering, drawn(model, lengths, 11)).loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    assert torch.equal(*gradients)


def test_sizes_of_codes_are_kept():
    assert build().codes == CODES
    with pytest.raises(ValueError, match="first_layer 3 is not below 3"):
        build(first_layer=3)
