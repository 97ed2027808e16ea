"""Iterative decoding against its plain form, and what is given stays as it is."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from espnet2_ext.errors import UserError
from espnet2_ext.masked.decoding import decode
from espnet2_ext.masked.noise import Noise
from espnet2_ext.masked.options import MaskedDecoding
from espnet2_ext.masked.schedule import masked_counts
from espnet2_ext.masked.steering import Steering
from espnet2_ext.masked.task import Task

from .conftest import batch, build, row

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from plain_masked import plain_decode

CONFIG = MaskedDecoding(steps=[7, 4, 1], kept_share=0.3)
LENGTHS, PROMPTS = [23, 14, 19, 9], [6, 0, 7, 3]


def decoded(model, lengths, prompts, steering, tokens, config=CONFIG, seeds=None, **more):
    task = Task(tokens, lengths, torch.tensor(prompts), more.pop("fixed", None))
    noise = Noise(range(len(lengths)) if seeds is None else seeds)
    return decode(model, task, steering, more.pop("unguided", None), config, noise, **more)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"guidance": 0.0},
        {"without": ["prompt", "prefix"], "rescale": 1.0},
        {"without": ["prefix"], "temperature": 0.9, "rescale": 0.0},
        {"kept_share": 1.0, "choice_temperature": 0.0},
    ],
)
@pytest.mark.parametrize("layer_embedding", [True, False])
@pytest.mark.parametrize("schedule", ["sin", "raised_cosine"])
def test_it_is_the_plain_decoder_token_for_token(options, layer_embedding, schedule):
    model = build(layer_embedding=layer_embedding, mask_schedule=schedule)
    config = replace(CONFIG, **options)
    tokens, lengths, steering = batch(LENGTHS, prefixes=[5, 2, 3, 4])
    unguided = replace(steering, frames=steering.frames * 0.5)
    found = decoded(model, lengths, PROMPTS, steering, tokens, config, unguided=unguided).tokens
    for b, (n, p) in enumerate(zip(LENGTHS, PROMPTS, strict=True)):
        own = row(steering, b, n)
        plain = plain_decode(
            model, tokens[b, :p], n - p, own.frames[0], own.prefix[0], config,
            lambda _, *place, b=b: Noise([b])(0, *place), 0.5 * own.frames[0],
        )  # fmt: skip
        assert torch.equal(found[b, p:n], plain), b
        assert torch.equal(found[b, :p], tokens[b, :p]) and not found[b, n:].any()


def test_without_any_condition_on_the_clock():
    model = build((20,), layer_embedding=False)
    tokens, lengths, steering = batch([12, 9], (20,), prefixes=[4, 3], frames=False)
    config = replace(CONFIG, without=["prompt", "prefix"])
    found = decoded(model, lengths, [3, 2], steering, tokens, config).tokens
    for b, (n, p) in enumerate(((12, 3), (9, 2))):
        noise = lambda _, *place, b=b: Noise([b])(0, *place)  # noqa: E731
        prefix = row(steering, b, n).prefix[0]
        plain = plain_decode(model, tokens[b, :p], n - p, None, prefix, config, noise)
        assert torch.equal(found[b, p:n], plain)


def test_a_batch_is_its_utterances_alone():
    model = build()
    tokens, lengths, steering = batch(LENGTHS, prefixes=[5, 2, 3, 4])
    together = decoded(model, lengths, PROMPTS, steering, tokens, probabilities=True)
    for b, n in enumerate(LENGTHS):
        alone = decoded(
            model, lengths[b : b + 1], PROMPTS[b : b + 1], row(steering, b, n),
            tokens[b : b + 1, :n], seeds=[b], probabilities=True,
        )  # fmt: skip
        assert torch.equal(together.tokens[b, :n], alone.tokens[0])
        torch.testing.assert_close(
            together.probabilities[b, :n], alone.probabilities[0], atol=1e-4, rtol=1e-3
        )


def test_seeds_are_what_makes_takes_differ():
    model = build()
    tokens, lengths, steering = batch([16])
    takes = [decoded(model, lengths, [4], steering, tokens, seeds=[s]).tokens for s in (0, 0, 1)]
    assert torch.equal(takes[0], takes[1]) and not torch.equal(takes[0], takes[2])


def test_bars_are_sung_again_and_the_rest_is_kept_token_for_token():
    model = build()
    tokens, lengths, steering = batch([24, 20])
    again = torch.zeros(2, 24, dtype=torch.bool)
    again[0, 9:14], again[1, 12:20] = True, True
    fixed = ~again[..., None].expand(2, 24, 3)
    found = decoded(model, lengths, [4, 0], steering, tokens, fixed=fixed).tokens
    real = torch.arange(24) < lengths[:, None]
    assert torch.equal(found[~again & real], tokens[~again & real]) and not found[~real].any()
    assert not torch.equal(found[again], tokens[again])
    # what stands there before does not matter, what stands around does
    blank = torch.where(again[..., None], 0, tokens)
    assert torch.equal(decoded(model, lengths, [4, 0], steering, blank, fixed=fixed).tokens, found)
    other = torch.where(again[..., None], tokens, (tokens + 1) % 20)
    assert not torch.equal(
        decoded(model, lengths, [4, 0], steering, other, fixed=fixed).tokens[again], found[again]
    )


def test_a_given_layer_is_kept_and_the_others_follow_from_it():
    model, whole = build(), build()
    tokens, lengths, steering = batch([15, 11])
    first = decoded(whole, lengths, [4, 2], steering, tokens).tokens
    fixed = torch.zeros_like(first, dtype=torch.bool)
    fixed[..., 0] = True
    found = decoded(model, lengths, [4, 2], steering, first, fixed=fixed).tokens
    assert torch.equal(found, first)
    later = build(first_layer=1)
    assert torch.equal(decoded(later, lengths, [4, 2], steering, first, fixed=fixed).tokens, first)
    with pytest.raises(UserError, match="not given .expected the codes below layer 1"):
        decoded(later, lengths, [4, 2], steering, first)


@pytest.mark.parametrize("left_out", ["prompt", "prefix", "frames"])
def test_what_guidance_leaves_out_does_not_enter_its_branch(left_out):
    """With a weight of -1, only the branch without it counts; its spread is not restored."""
    model = build()
    config = replace(CONFIG, without=[left_out], rescale=0.0)
    object.__setattr__(config, "guidance", -1.0)
    tokens, lengths, steering = batch([18, 12], prefixes=[3, 4])
    dropped = replace(steering, frames=torch.zeros_like(steering.frames))
    others, changed = tokens, steering
    if left_out == "prompt":
        others = tokens.clone()
        others[:, :5] = (others[:, :5] + 1) % 20
    elif left_out == "prefix":
        changed = replace(steering, prefix=steering.prefix + 1)
    else:
        changed = replace(steering, frames=steering.frames + 1)
    unguided = [dropped if left_out == "frames" else None] * 2
    found = [
        decoded(model, lengths, [5, 5], s, t, config, unguided=u).tokens[:, 5:]
        for s, t, u in zip((steering, changed), (tokens, others), unguided, strict=True)
    ]
    assert torch.equal(*found)
    plain = replace(config, guidance=0.0)
    assert not torch.equal(
        decoded(model, lengths, [5, 5], steering, tokens, plain).tokens[:, 5:],
        decoded(model, lengths, [5, 5], changed, others, plain).tokens[:, 5:],
    )


def test_probabilities_are_of_the_codes_that_were_kept():
    model = build((20, 12))
    tokens, lengths, steering = batch([13, 8], (20, 12))
    config = MaskedDecoding(steps=[4], kept_share=0.01)  # the likeliest code alone
    found = decoded(model, lengths, [3, 0], steering, tokens, config, probabilities=True)
    real = torch.arange(13) < lengths[:, None]
    totals = found.probabilities.sum(-1)[real]
    torch.testing.assert_close(totals, torch.ones_like(totals))
    assert torch.equal(found.probabilities.argmax(-1)[real], found.tokens[real])
    assert (found.probabilities[0, :3].max(-1).values == 1).all()
    assert not found.probabilities[:, :, 1, 12:].any()


def test_as_many_frames_stay_masked_as_the_schedule_says():
    assert masked_counts(100, 4, "sin") == [100, 92, 70, 38, 0]
    assert masked_counts(10, 3, "linear") == [10, 6, 3, 0]
    assert masked_counts(2, 3, "sin") == [2, 1, 1, 0]  # sin(pi / 6) 2 is 1
    assert masked_counts(7, 1) == [7, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": []}, "steps"),
        ({"steps": [0]}, "steps"),
        ({"guidance": -1.0}, "guidance -1.0 is negative"),
        ({"rescale": 1.5}, "rescale"),
        ({"kept_share": 0.0}, "kept_share"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        MaskedDecoding(**options)


def test_tasks_that_cannot_be():
    model = build()
    tokens, lengths, steering = batch([9, 6])
    with pytest.raises(UserError, match="utterance 1: prompt 7, all 6"):
        decoded(model, lengths, [2, 7], steering, tokens)
    with pytest.raises(UserError, match="2 layers of codes .expected 3"):
        decoded(model, lengths, [2, 3], steering, tokens[..., :2])
    nothing = decoded(model, lengths, [9, 6], Steering(), tokens).tokens
    real = torch.arange(9) < lengths[:, None]
    assert torch.equal(nothing[real], tokens[real])


@pytest.mark.gpu
def test_on_a_gpu_it_is_the_plain_decoder_too():
    model = build().cuda()
    tokens, lengths, steering = batch(LENGTHS, prefixes=[5, 2, 3, 4])
    steering = Steering(*(part.cuda() for part in vars(steering).values()))
    task = Task(tokens.cuda(), lengths.cuda(), torch.tensor(PROMPTS).cuda())
    found = decode(model, task, steering, None, CONFIG, Noise(range(4))).tokens
    for b, (n, p) in enumerate(zip(LENGTHS, PROMPTS, strict=True)):
        own = row(steering, b, n)
        plain = plain_decode(
            model, tokens[b, :p].cuda(), n - p, own.frames[0], own.prefix[0], CONFIG, Noise([b])
        )
        assert torch.equal(found[b, p:n], plain), b
