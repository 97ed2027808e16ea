"""Adapting a pretrained LM: what stays, what trains, what is left of it in the weights."""

import pytest
import torch

from espnet2_ext.checkpoint import load_strict
from espnet2_ext.data.batch import Batch
from espnet2_ext.errors import UserError
from espnet2_ext.speechlm.adaptation import AdaptationConfig, adapt
from espnet2_ext.tokenizer.vocabulary import Vocabulary
from espnet2_ext.train.partial import add_lora, holds_rows, plain_state, trainable

from .conftest import (
    CODEBOOKS,
    CODES,
    PHONES,
    SSL,
    make_batch,
    make_model,
    make_utterance,
)

OLD = Vocabulary.build(SSL, CODEBOOKS, CODES, PHONES, ["codec_ssl_tts"])
NEW = Vocabulary.build(SSL, CODEBOOKS, CODES, PHONES, base=OLD)
BATCH = make_batch(make_utterance(20, 9, seed=1), make_utterance(13, 5, seed=2))


def grown_model(conditioning="prefix"):
    return make_model(
        conditioning,
        token_list=list(NEW.tokens),
        token_bias={m: list(span) for m, span in NEW.bias.items()},
    )


def step(model) -> None:
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(2):  # the first step of LoRA moves but half of its matrices
        optimizer.zero_grad()
        model(**BATCH)[0].backward()
        optimizer.step()


@pytest.mark.parametrize("conditioning", ["prefix", "synchronous"])
@pytest.mark.parametrize("method", ["frozen", "lora"])
def test_what_is_old_stays_bit_for_bit_and_what_is_new_moves(method, conditioning):
    model = grown_model(conditioning)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    adapt(model, AdaptationConfig(method=method), OLD)
    assert holds_rows(model)
    step(model)
    after = plain_state(model)
    assert after.keys() == before.keys()
    markers = [NEW.task("svs"), NEW.modality("svs_lb"), NEW.modality("spk")]
    old = [i for i in range(len(OLD)) if i not in markers]
    for name in ("corelm.emb.weight", "corelm.lm_head.weight"):
        assert torch.equal(before[name][old], after[name][old]), name
    emb = "corelm.emb.weight"
    assert not torch.equal(before[emb][NEW.task("svs")], after[emb][NEW.task("svs")])
    if conditioning == "prefix":
        sung = [NEW.id("svs_ao"), NEW.id("svs_61")]
        assert (before[emb][sung] != after[emb][sung]).any(1).all()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    decoder = {name for name in moved if name.startswith("corelm.decoders")}
    assert bool(decoder) == (method == "lora") and "corelm.head_emb.weight" not in moved
    if conditioning == "synchronous":
        assert {"score_head.weight", "prompt_encoder.out.weight"} <= moved


def test_merged_lora_gives_the_same_likelihoods_without_peft():
    model = grown_model()
    adapt(model, AdaptationConfig(method="lora", r=4), OLD)
    step(model)
    plain = load_strict(grown_model(), plain_state(model), "merged")
    adapted, merged = model.eval().score(Batch(BATCH)), plain.eval().score(Batch(BATCH))
    torch.testing.assert_close(adapted.log_prob, merged.log_prob)
    assert not any("lora" in name for name, _ in plain.named_modules())


def test_full_adaptation_trains_everything():
    model = grown_model()
    adapt(model, AdaptationConfig(), OLD)
    trained, total = trainable(model)["all"]
    assert trained == total and not holds_rows(model)


def test_counts_leave_held_rows_out():
    model = grown_model()
    adapt(model, AdaptationConfig(method="lora", r=4, targets=["q_proj"]), OLD)
    counts = trainable(model, depth=2)
    d, layers = 32, 2
    free = len(NEW) - len(OLD) + 3  # and three markers
    assert counts["corelm.emb"] == (free * d, len(NEW) * d)
    assert counts["lora"] == (layers * 2 * 4 * d,) * 2
    assert counts["corelm.decoders"][0] == 0


def test_all_rows_train_when_asked_for():
    model = grown_model()
    adapt(model, AdaptationConfig(method="frozen", rows="all"), OLD)
    before = model.corelm.lm_head.weight.clone()
    step(model)
    codes = slice(*NEW.stream_slices()[0])
    assert (before[codes] != model.corelm.lm_head.weight[codes]).any(1).all()


def test_an_unknown_target_is_named():
    with pytest.raises(UserError, match=r"no linear layer 'qq_proj'.*q_proj"):
        add_lora(grown_model().corelm.decoders, ["qq_proj"], 4, 8, 0.0)
