"""Six ways to adapt a masked model: what trains, how fast, and what the weights keep of it."""

import pytest
import torch

from espnet2_ext.checkpoint import load_strict
from espnet2_ext.conditions.condition import Sizes
from espnet2_ext.config_types import parse_config
from espnet2_ext.errors import UserError
from espnet2_ext.masked.adaptation import (
    METHODS,
    MaskedAdaptation,
    adapt,
    begin_epoch,
    parameter_groups,
)
from espnet2_ext.masked.config import MaskedConfig, NetworkConfig
from espnet2_ext.masked.joined import join
from espnet2_ext.masked.model import ACOUSTIC, MaskedModel
from espnet2_ext.train.partial import has_adapters, plain_state, trainable

from .singers import singer, sung_batch

BATCH = join(sung_batch([7, 5], [4, 6])).batch
ALWAYS = {"melody", "to_logits", "cond_mlp"}


def part(name: str) -> str:
    """Of the model, that a parameter's name tells; a layer with its number."""
    if "layers." in name:
        return "layer" + name.split("layers.")[1][0]
    known = (*ALWAYS, "semantic", "diff_step_mlp", "virtual", "norm", "emb")
    return next(word for word in known if word in name)


def adapted(method: str, **options):
    model = singer(virtual_tokens=3 if method == "prefix" else 0).train()
    config = MaskedAdaptation(method=method, **options)
    adapt(model, config)
    return model, config


def moved(model, config, steps: int = 2) -> set[str]:
    """Parts that training moves, decay and all."""
    before = {k: v.clone() for k, v in plain_state(model).items()}
    optimizer = torch.optim.AdamW(parameter_groups(model, config, 1e-2), weight_decay=0.1)
    for seed in range(steps):
        torch.manual_seed(seed)
        optimizer.zero_grad()
        model.loss(BATCH).loss.backward()
        optimizer.step()
    after = plain_state(model)
    assert after.keys() == before.keys()
    return {part(k) for k in before if not torch.equal(before[k], after[k])}


@pytest.mark.parametrize("method", METHODS)
def test_what_the_method_names_moves_and_nothing_else(method):
    everything = ALWAYS | {"semantic", "emb", "layer0", "layer1", "norm", "diff_step_mlp"}
    expected = {
        "full": everything, "llrd": everything, "pitch": ALWAYS, "prefix": ALWAYS | {"virtual"},
        "lora": ALWAYS | {"layer0", "layer1"}, "progressive": ALWAYS | {"layer1"},
    }  # fmt: skip
    assert moved(*adapted(method, layers=1)) == expected[method]


def test_adapters_are_in_the_attention_and_can_be_merged():
    model, config = adapted("lora", r=2)
    before = plain_state(model)
    moved(model, config)
    after = plain_state(model)
    changed = {
        k.rsplit(".", 2)[1] for k in after if "layers." in k and (after[k] != before[k]).any()
    }
    assert changed == {"q_proj", "k_proj", "v_proj", "o_proj"}
    plain = load_strict(singer(), after, "merged").eval()
    draw = plain.generator.draw(BATCH.lengths("codec_ssl"), BATCH["codec_ssl"].size(1))
    found, merged = (m.loss(BATCH, draw).loss for m in (model.eval(), plain))
    torch.testing.assert_close(found, merged)
    assert has_adapters(model) and not has_adapters(plain)


def test_upper_layers_learn_faster():
    model, config = adapted("llrd", decay=0.5)
    groups = parameter_groups(model, config, 0.8)
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert len(rates) == len(list(model.parameters()))
    found = {part(name): rates[id(p)] for name, p in model.named_parameters()}
    top, layers = dict.fromkeys([*ALWAYS, "norm"], 0.8), {"layer1": 0.8, "layer0": 0.4}
    below = dict.fromkeys(["semantic", "emb", "diff_step_mlp"], 0.2)
    assert found == pytest.approx(top | layers | below)


def test_layers_join_from_above_epoch_by_epoch():
    model, config = adapted("progressive", layers=1, every_epochs=3)
    optimizer_holds = sum(len(g["params"]) for g in parameter_groups(model, config, 1e-2))
    assert optimizer_holds == len(list(model.parameters()))
    for epoch, expected in ((1, {"layer1"}), (3, {"layer1"}), (4, {"layer0", "layer1"})):
        begin_epoch(model, config, epoch)
        free = {part(n) for n, p in model.named_parameters() if p.requires_grad}
        assert free == ALWAYS | expected, epoch
    again, _ = adapted("progressive", layers=1, every_epochs=3)
    begin_epoch(again, config, 7)  # resumed
    assert all(p.requires_grad for p in again.generator.diff_estimator.layers.parameters())


def test_virtual_tokens_stand_before_every_sequence():
    model = singer(virtual_tokens=3).eval()
    steering = model.steering(BATCH)
    assert torch.equal(steering.prefix, model.virtual.expand(2, -1, -1))
    assert steering.prefix_mask.shape == (2, 3) and steering.prefix_mask.all()
    draw = model.generator.draw(BATCH.lengths("codec_ssl"), BATCH["codec_ssl"].size(1))
    before = model.loss(BATCH, draw)
    with torch.no_grad():
        model.virtual.add_(1.0)
    after = model.loss(BATCH, draw)
    assert after.logits.shape == before.logits.shape and after.loss != before.loss


def test_how_much_trains_is_counted():
    counts = {method: trainable(adapted(method)[0])["all"] for method in METHODS}
    trained = {method: count[0] for method, count in counts.items()}
    assert trained["pitch"] < trained["prefix"] < trained["lora"] < trained["full"]
    assert counts["full"][0] == counts["full"][1] and trained["prefix"] - trained["pitch"] == 48


@pytest.mark.parametrize(("method", "percent"), [("lora", 6.51), ("progressive", 16.63)])
def test_the_shares_that_train_are_those_of_table_vii(method, percent):
    """Of MaskGCT's model of all layers of codes; pitch and prefix differ (see `adaptation`)."""
    with torch.device("meta"):
        sizes = Sizes(1024, (8192, *[1024] * 12))
        config = MaskedConfig(NetworkConfig(1024, 16, 16), first_layer=1)
        model = MaskedModel(ACOUSTIC, sizes, config, {"semantic": {}, "melody": {}})
        adapt(model, MaskedAdaptation(method=method))
    trained, total = trainable(model)["all"]
    assert 100 * trained / total == pytest.approx(percent, abs=0.03)


def test_mistakes_are_named():
    for options, message in (
        ({"method": "magic"}, "method 'magic' is not one of full, lora"),
        ({"decay": 0.0}, "decay 0.0 is not above 0"),
        ({"layers": 0}, "layers 0 is below 1"),
        ({"r": 0}, "r 0 is below 1"),
    ):
        with pytest.raises(UserError, match=message):
            parse_config(MaskedAdaptation, options, "yaml")
    with pytest.raises(UserError, match="virtual_tokens: 0 .expected 20, say"):
        adapt(singer(), MaskedAdaptation(method="prefix"))
    with pytest.raises(UserError, match="no linear layer 'qq'"):
        adapt(singer(), MaskedAdaptation(method="lora", targets=["qq"]))
