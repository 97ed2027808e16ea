import pytest
import torch

from espnet2_ext.data.batch import Batch
from espnet2_ext.device import autocast_dtype
from espnet2_ext.errors import UserError
from espnet2_ext.speechlm.build import build_speechlm

from .conftest import CODEBOOKS, make_args, make_batch, make_model, make_utterance

MODES = ("synchronous", "prefix")


@pytest.mark.parametrize("mode", MODES)
def test_every_parameter_gets_a_finite_gradient(mode, batch):
    model = make_model(mode)
    loss, stats, weight = model(**batch)
    loss.backward()
    assert weight == 33 and torch.isfinite(loss)
    assert {f"acc_stream{q}" for q in range(1 + CODEBOOKS)} <= stats.keys()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0 or name == "prompt_encoder.nobody", name


@pytest.mark.parametrize("mode", MODES)
def test_a_tiny_batch_is_overfitted(mode, batch):
    model = make_model(mode)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(120):
        loss, stats, _ = model(**batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert stats["acc"] > 0.95


@pytest.mark.parametrize("mode", MODES)
def test_padding_changes_nothing(mode):
    model = make_model(mode).double().eval()
    long, short = make_utterance(20, 6, seed=3), make_utterance(11, 4, seed=4)
    both, alone = model.score(Batch(make_batch(long, short))), model.score(Batch(make_batch(short)))
    torch.testing.assert_close(both.log_prob[1, :11], alone.log_prob[0])
    torch.testing.assert_close(both.eos_log_prob[1], alone.eos_log_prob[0])
    assert not both.log_prob[1, 11:].any()


@pytest.mark.parametrize("mode", MODES)
def test_no_stream_sees_its_own_frame_or_a_later_one(mode):
    """Changing frame k, stream q may change no likelihood that the delay puts before it."""
    model = make_model(mode).double().eval()
    utterance = make_utterance(12, 4, seed=5)
    before = model.score(Batch(make_batch(utterance))).log_prob[0]
    k, q = 6, 1
    utterance.codec_ssl[k, q] = (utterance.codec_ssl[k, q] + 1) % 8
    after = model.score(Batch(make_batch(utterance))).log_prob[0]
    frame, stream = torch.meshgrid(torch.arange(12), torch.arange(1 + CODEBOOKS), indexing="ij")
    earlier = (frame + stream <= k + q) & ~((frame == k) & (stream == q))
    torch.testing.assert_close(before[earlier], after[earlier])
    assert (before - after)[frame + stream > k + q].abs().max() > 0


def test_every_stream_sees_the_score_of_its_own_frame():
    """With the score encoder's view narrowed to one frame, the head's condition is frame k's."""
    model = make_model("synchronous", score_encoder_conf={"channels": 16, "layers": 0}).double()
    model.eval()
    with torch.no_grad():
        model.score_head.weight.mul_(100)  # the heads' view outweighs the input's
    utterance = make_utterance(12, 4, seed=6)
    before = model.score(Batch(make_batch(utterance))).log_prob[0]
    utterance.score_frames[-1, 1] = 90  # the last frame's pitch alone: note 'next' of none
    utterance.score_frames[-1, 3] = utterance.score_frames[-2, 3] + 1
    after = model.score(Batch(make_batch(utterance))).log_prob[0]
    assert (after - before)[-1].abs().min() > 1e-6


def test_likelihood_is_normalised_over_the_stream(batch):
    model = make_model().double().eval()
    hidden = torch.randn(5, 32, dtype=torch.float64)
    assert model.corelm.stream_logits(hidden, 0).shape == (5, 12 + 1)
    assert model.corelm.stream_logits(hidden, 2).shape == (5, 8)


def test_parameters_have_upstream_names():
    names = {name for name, _ in make_model("prefix").named_parameters()}
    assert {"corelm.emb.weight", "corelm.lm_head.weight", "corelm.head_emb.weight"} <= names
    assert "corelm.decoders.model.layers.0.self_attn.q_proj.weight" in names
    assert "corelm.decoders.model.norm.weight" in names
    assert not any("embed_tokens" in name for name in names)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"model_conf": {"conditionning": "prefix"}}, "conditionning"),
        ({"corelm_conf": {"backbone": {"model_type": "llama", "hiden_size": 8}}}, "hiden_size"),
        ({"corelm_conf": {"backbone": {"model_type": "llamma"}}}, "llamma"),
        ({"score_encoder_conf": {"width": 3}}, "width"),
        ({"score_encoder": None}, "score encoder"),
    ],
)
def test_a_bad_configuration_is_named(changes, found):
    with pytest.raises(UserError, match=found):
        build_speechlm(make_args(**changes))


def test_gradient_checkpointing_changes_nothing(batch):
    losses = []
    for checkpointing in (False, True):
        args = make_args()
        args.corelm_conf = {**args.corelm_conf, "gradient_checkpointing": checkpointing}
        torch.manual_seed(0)
        model = build_speechlm(args)
        model.score_encoder.eval()
        model.prompt_encoder.dropout = 0.0
        model.config.max_prompt_frames = 100
        loss, _, _ = model(**batch)
        loss.backward()
        losses.append((loss.item(), model.corelm.emb.weight.grad.norm().item()))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_bfloat16_is_chosen_where_it_is_fast(monkeypatch, batch):
    for fast, dtype in ((True, torch.bfloat16), (False, None)):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda fast=fast: fast)
        assert autocast_dtype("auto", torch.device("cpu")) == dtype
    assert autocast_dtype("auto", torch.device("cuda")) is None
    conf = {"conditioning": "synchronous", "autocast": "bfloat16"}
    losses = [
        make_model(model_conf={**conf, "autocast": autocast}).eval()(**batch)[0].item()
        for autocast in ("bfloat16", "none")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)


def test_conditions_can_be_padded_apart(batch):
    """With nq - 1 pads after each, the delay lets no condition share a position with the next."""
    models = [
        make_model("prefix", model_conf={"conditioning": "prefix", "condition_pad": pad})
        for pad in (False, True)
    ]
    score, prompt = batch["score_frames"][0], batch["prompt"][0]
    plain, padded = (model.assembler.prefix(score, prompt) for model in models)
    nq, pad = 1 + CODEBOOKS, models[0].vocabulary.pad
    assert len(padded) == len(plain) + 2 * (nq - 1)
    assert torch.equal(padded[(padded != pad).any(1)], plain)
    marker = int((padded[:, 0] == models[0].vocabulary.modality("spk")).nonzero())
    assert (padded[marker - (nq - 1) : marker] == pad).all()
