from dataclasses import replace

import pytest
import torch

from espnet2_ext.data.batch import Batch
from espnet2_ext.errors import UserError
from espnet2_ext.speechlm.inference import SpeechLMInference
from espnet2_ext.speechlm.sampling import DecodingConfig, choose

from .conftest import CODES, SSL, make_batch, make_model, make_utterance

MODES = ("synchronous", "prefix")
GREEDY = DecodingConfig(method="greedy")
SAMPLING = DecodingConfig(temperature=0.7, top_k=5, batch_size=3)


@pytest.fixture(scope="module", params=MODES)
def sung(request):
    """A model with strong opinions, and utterances of different lengths."""
    model = make_model(request.param).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2.0)
    utterances = [make_utterance(F, P, seed=F) for F, P in ((7, 4), (15, 6), (11, 2), (3, 5))]
    return SpeechLMInference(model), utterances


def generate(sung, config, pick=slice(None)):
    inference, utterances = sung
    utterances = utterances[pick]
    return inference.generate(
        [u.score_frames for u in utterances], [u.prompt for u in utterances], config
    )


@pytest.mark.parametrize("fixed", [True, False])
def test_cached_decoding_equals_uncached(sung, fixed):
    config = replace(GREEDY, fixed_length=fixed, max_frames=12)
    cached = generate(sung, config)
    uncached = generate(sung, replace(config, use_cache=False))
    for one, other in zip(cached, uncached, strict=True):
        assert torch.equal(one.tokens, other.tokens)
        assert one.score == pytest.approx(other.score, rel=1e-6)


@pytest.mark.parametrize(
    "config", [GREEDY, replace(SAMPLING, score_weight=0.5), replace(SAMPLING, nbest=3)]
)
def test_a_batch_equals_its_utterances_alone(sung, config):
    together = generate(sung, config)
    for k, one in enumerate(together):
        (alone,) = generate(sung, config, slice(k, k + 1))
        assert torch.equal(one.tokens, alone.tokens)


def test_free_length_batch_equals_single(sung):
    config = replace(SAMPLING, fixed_length=False, max_frames=20, temperature=1.5, top_k=0)
    together = generate(sung, config)
    for k, one in enumerate(together):
        (alone,) = generate(sung, config, slice(k, k + 1))
        assert torch.equal(one.tokens, alone.tokens) and 1 <= len(one.tokens) <= 20


def test_a_length_that_runs_away_is_given_up(sung, monkeypatch):
    """Of a foreign `max_frames` or an LM that never ends, no more than the score asks for."""
    inference, _ = sung
    scores = [make_utterance(n, 3, seed=n).score_frames for n in (2, 5)]
    config = replace(GREEDY, fixed_length=False, max_frames=10**9)
    head = inference.model.corelm.lm_head.weight.data.clone()
    head[inference.model.corelm.eos] = 0.0  # never the likeliest
    monkeypatch.setattr(inference.model.corelm.lm_head.weight, "data", head)
    lengths = [len(made.tokens) for made in inference.generate(scores, None, config)]
    assert lengths == [108, 120]
    shorter = inference.generate(scores, None, replace(config, max_frames=50))
    assert [len(made.tokens) for made in shorter] == [50, 50]


@pytest.mark.parametrize("options", [{"seed": -1}, {"nbest": 10**6}, {"max_frames": 0}])
def test_options_that_nothing_can_be_drawn_with_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        DecodingConfig(**options)


def test_a_score_of_one_frame_is_sung_beside_a_long_one(sung):
    inference, _ = sung
    scores = [make_utterance(n, 3, seed=n).score_frames for n in (1, 150, 2)]
    together = inference.generate(scores, None, SAMPLING)
    assert [len(made.tokens) for made in together] == [1, 150, 2]
    for score, made in zip(scores, together, strict=True):
        (alone,) = inference.generate([score], None, SAMPLING)
        assert torch.equal(alone.tokens, made.tokens)


def test_greedy_choices_are_the_training_forwards(sung):
    """Decoding sees what training saw: the model's own tokens are likeliest when scored."""
    inference, utterances = sung
    u = utterances[1]
    (made,) = generate(sung, GREEDY, slice(1, 2))
    u = type(u)(codec_ssl=made.tokens, score_frames=u.score_frames, prompt=u.prompt)
    scored = inference.model.score(Batch(make_batch(u)))
    assert scored.correct.all() or scored.correct.float().mean() > 0.95  # stream 0 may prefer EOS
    streams = scored.log_prob[0, :, 1:]
    assert scored.correct[0, :, 1:].all() and torch.isfinite(streams).all()


def test_the_score_of_sampled_tokens_is_their_likelihood(sung):
    inference, utterances = sung
    u = utterances[2]
    (made,) = generate(sung, replace(SAMPLING, nbest=2), slice(2, 3))
    u = type(u)(codec_ssl=made.tokens, score_frames=u.score_frames, prompt=u.prompt)
    log_prob = inference.model.score(Batch(make_batch(u))).log_prob
    # the fixed length leaves out EOS, which training has among stream 0's choices
    assert made.score == pytest.approx(float(log_prob.detach().mean()), abs=0.2)


def test_lengths_and_codes(sung):
    for made, u in zip(generate(sung, SAMPLING), sung[1], strict=True):
        assert made.tokens.shape == u.codec_ssl.shape
        assert made.tokens[:, 0].max() < SSL and made.tokens[:, 1:].max() < CODES
        assert made.tokens.min() >= 0


def test_choose_respects_top_k_and_top_p():
    logits = torch.log(torch.tensor([[[0.5, 0.3, 0.15, 0.05]]])).expand(1000, 1, 4)
    uniform = torch.linspace(0, 1 - 1e-6, 1000)[:, None]
    config = DecodingConfig(temperature=1.0, top_k=0)
    counts = torch.bincount(choose(logits, uniform, config).flatten(), minlength=4)
    assert counts.tolist() == pytest.approx([500, 300, 150, 50], abs=1)
    drawn = choose(logits, uniform, replace(config, top_k=2))
    assert torch.bincount(drawn.flatten()).tolist() == pytest.approx([625, 375], abs=1)
    assert set(choose(logits, uniform, replace(config, top_p=0.6)).flatten().tolist()) == {0, 1}
    assert not choose(logits, uniform, replace(config, top_p=0.4)).any()


def test_a_score_of_another_phone_set_is_refused(sung):
    inference, utterances = sung
    bad = utterances[0].score_frames.clone()
    bad[2, 0] = 99
    with pytest.raises(UserError, match="utterance 1 of 1.*99"):
        inference.generate([bad])
