"""Conditions of the synchronous speech LM beside score and prompt."""

import pytest
import torch

from espnet2_ext.data.batch import Batch
from espnet2_ext.errors import UserError
from espnet2_ext.speechlm.inference import DecodingConfig, SpeechLMInference

from .conftest import make_batch, make_model, make_utterance

MORE = {"timbre": {"dim": 4, "drop": 0.5}, "pitch": {"drop": 0.5}}


@pytest.fixture
def given():
    batch = make_batch(*(make_utterance(9 + k, 5, seed=k) for k in range(8)))
    timbre = torch.randn(8, 4)
    return {**batch, "timbre": timbre, "timbre_lengths": torch.full((8,), 4)}


def test_they_join_score_and_singer(given):
    model = make_model(conditions=MORE)
    loss, _, _ = model(**given)
    loss.backward()
    for name, parameter in model.more.named_parameters():
        assert torch.isfinite(parameter.grad).all() and parameter.grad.abs().sum() > 0, name
    model.eval()
    before = model.score(Batch(given)).log_prob
    changed = model.score(Batch({**given, "timbre": given["timbre"] + 1})).log_prob
    assert not torch.equal(before, changed)
    padding = ~Batch(given).mask("score_frames")
    assert (model.conditions(Batch(given)).score[padding] == 0).all()


def test_what_is_not_given_is_left_out(given):
    model = make_model(conditions=MORE).eval()
    without = {k: v for k, v in given.items() if not k.startswith("timbre")}
    score = model.conditions(Batch(without)).score
    with torch.no_grad():
        model.more["timbre"].null += 1
    assert not torch.equal(score, model.conditions(Batch(without)).score)


def test_they_are_sung_with(given):
    lm = SpeechLMInference(make_model(conditions=MORE))
    scores = [given["score_frames"][k, : 9 + k] for k in range(2)]
    decoding = DecodingConfig(batch_size=1)
    with torch.no_grad():
        lm.model.more["timbre"].linear.weight.mul_(30)
    first, other, without = (
        lm.generate(scores, None, decoding, more=more)
        for more in ({"timbre": list(given["timbre"][:2])}, {"timbre": [torch.ones(4)] * 2}, None)
    )
    assert any(not torch.equal(a.tokens, b.tokens) for a, b in zip(first, other, strict=True))
    assert any(not torch.equal(a.tokens, b.tokens) for a, b in zip(first, without, strict=True))
    with pytest.raises(UserError, match="timbre: 1 .expected 2, as the scores"):
        lm.generate(scores, None, decoding, more={"timbre": [torch.ones(4)]})
    with pytest.raises(UserError, match="text_ids: not read by this model .expected one of timbre"):
        lm.generate(scores, None, decoding, more={"text_ids": [torch.ones(4)] * 2})


def test_without_them_the_model_is_as_before(given):
    plain, empty = make_model(), make_model(conditions={})
    assert list(plain.state_dict()) == list(empty.state_dict())
    assert torch.equal(plain(**given)[0], make_model()(**given)[0])


def test_mistakes_are_named():
    with pytest.raises(UserError, match="config: conditions: unknown condition 'timber'"):
        make_model(conditions={"timber": {}})
    for conditioning, more in (("prefix", "timbre"), ("synchronous", "text")):
        with pytest.raises(UserError, match="has conditions, but no sequences"):
            make_model(conditioning, conditions={more: {}})
    with pytest.raises(UserError, match="tokens: none to build tokens for"):
        make_model(conditions={"tokens": {}})
