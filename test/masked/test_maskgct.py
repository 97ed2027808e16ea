"""MaskGCT's folder: small models saved under its names compute what their description says."""

import pytest
import torch
from torch import nn

from espnet2_ext.checkpoint import save_safetensors
from espnet2_ext.data.batch import Batch
from espnet2_ext.errors import UserError
from espnet2_ext.inference.model_card import licence_id
from espnet2_ext.masked import maskgct
from espnet2_ext.tokenizer.maskgct_codec import LICENCE

D, HEADS, LAYERS, SEMANTIC, ACOUSTIC, PHONES = 16, 2, 2, 30, 12, 9


def network_state(state: dict[str, torch.Tensor]) -> None:
    def linear(name: str, inner: int, outer: int, bias: bool = True) -> None:
        state[f"{name}.weight"] = torch.randn(outer, inner) * inner**-0.5
        if bias:
            state[f"{name}.bias"] = torch.randn(outer) * 0.1

    for i in range(LAYERS):
        at = f"diff_estimator.layers.{i}"
        for name in ("q", "k", "v", "o"):
            linear(f"{at}.self_attn.{name}_proj", D, D, False)
        for name in ("gate", "up"):
            linear(f"{at}.mlp.{name}_proj", D, 4 * D, False)
        linear(f"{at}.mlp.down_proj", 4 * D, D, False)
        for name in ("input_layernorm", "post_attention_layernorm"):
            linear(f"{at}.{name}.to_weight", D, D)
    linear("diff_estimator.norm.to_weight", D, D)
    for name in ("diff_step_mlp", "cond_mlp"):
        linear(f"diff_estimator.{name}.0", D, 4 * D)
        linear(f"diff_estimator.{name}.2", 4 * D, D)
    state["mask_emb.weight"] = torch.randn(1, D)
    state["cond_emb.weight"] = torch.randn(SEMANTIC, D)


def t2s_state() -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = {}
    network_state(state)
    state["phone_emb.weight"] = torch.randn(PHONES, D)
    state["to_logit.weight"], state["to_logit.bias"] = (
        torch.randn(SEMANTIC, D),
        torch.ones(SEMANTIC),
    )
    return state


def s2a_state(n: int) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = {"diff_estimator.embed_tokens.weight": torch.zeros(0, 256)}
    network_state(state)
    state["layer_emb.weight"] = torch.randn(n, D)
    for i in range(n):
        state[f"token_emb.{i}.weight"] = torch.randn(ACOUSTIC, D)
        state[f"to_logits.{i}.weight"] = torch.randn(ACOUSTIC, D)
        state[f"to_logits.{i}.bias"] = torch.randn(ACOUSTIC)
    return state


def mlp(state, name: str, x: torch.Tensor) -> torch.Tensor:
    at = f"diff_estimator.{name}"
    h = nn.functional.silu(x @ state[f"{at}.0.weight"].T + state[f"{at}.0.bias"])
    return h @ state[f"{at}.2.weight"].T + state[f"{at}.2.bias"]


def network(state, x: torch.Tensor, t: float) -> torch.Tensor:
    """Of x (T, d), position by position and head by head."""
    periods = torch.tensor([1e4 ** (-i / (D // 2 - 1)) for i in range(D // 2)])
    step = mlp(state, "diff_step_mlp", torch.cat([(t * periods).sin(), (t * periods).cos()]))

    def norm(name: str, x: torch.Tensor) -> torch.Tensor:
        at = f"diff_estimator.{name}.to_weight"
        weight = state[f"{at}.weight"] @ step + state[f"{at}.bias"]
        return x * (x.square().mean(-1, keepdim=True) + 1e-6) ** -0.5 * weight

    width = D // HEADS
    for i in range(LAYERS):
        at = f"layers.{i}"
        w = {n: state[f"diff_estimator.{at}.self_attn.{n}_proj.weight"] for n in "qkvo"}
        h = norm(f"{at}.input_layernorm", x)
        heads = []
        for head in range(HEADS):
            q, k, v = ((h @ w[n].T)[:, head * width : (head + 1) * width] for n in "qkv")
            for states in (q, k):
                for place in range(len(x)):
                    for pair in range(width // 2):
                        angle = torch.tensor(place * 1e4 ** (-2 * pair / width))
                        a, b = states[place, pair].clone(), states[place, pair + width // 2].clone()
                        states[place, pair] = a * angle.cos() - b * angle.sin()
                        states[place, pair + width // 2] = b * angle.cos() + a * angle.sin()
            heads.append((q @ k.T / width**0.5).softmax(-1) @ v)
        x = x + torch.cat(heads, -1) @ w["o"].T
        h = norm(f"{at}.post_attention_layernorm", x)
        w = {n: state[f"diff_estimator.{at}.mlp.{n}_proj.weight"] for n in ("gate", "up", "down")}
        x = x + (nn.functional.silu(h @ w["gate"].T) * (h @ w["up"].T)) @ w["down"].T
    return norm("norm", x)


def saved(folder, name: str, state: dict[str, torch.Tensor]) -> None:
    path = folder / maskgct.FILES[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    save_safetensors(state, path)


@torch.no_grad()
def test_text_to_semantic(tmp_path):
    torch.manual_seed(0)
    state = t2s_state()
    saved(tmp_path, maskgct.T2S, state)
    model = maskgct.read_model(tmp_path, maskgct.T2S, HEADS)
    phones, codes = torch.randint(PHONES, (4,)), torch.randint(SEMANTIC, (7,))
    batch = Batch.of(codec_ssl=[codes[:, None]], text_ids=[phones])
    draw = model.generator.draw(torch.tensor([7]), 7)
    found = model.loss(batch, draw)
    x = torch.where(
        draw.mask[0, :, None], state["mask_emb.weight"], state["cond_emb.weight"][codes]
    )
    prefix = mlp(state, "cond_mlp", state["phone_emb.weight"][phones])
    hidden = network(state, torch.cat([prefix, x]), float(draw.t))[4:]
    torch.testing.assert_close(found.hidden[0], hidden, atol=2e-5, rtol=1e-4)
    logits = hidden @ state["to_logit.weight"].T + state["to_logit.bias"]
    torch.testing.assert_close(found.logits[0], logits, atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize(("name", "n"), [(maskgct.S2A_FIRST, 1), (maskgct.S2A_FULL, 4)])
def test_semantic_to_acoustic(tmp_path, name, n):
    torch.manual_seed(1)
    state = s2a_state(n)
    saved(tmp_path, name, state)
    model = maskgct.read_model(tmp_path, name, HEADS)
    codes = torch.cat([torch.randint(SEMANTIC, (7, 1)), torch.randint(ACOUSTIC, (7, n))], 1)
    draw = model.generator.draw(torch.tensor([7]), 7)
    found = model.loss(Batch.of(codec_ssl=[codes]), draw)
    layer, x = int(draw.layer), 0
    assert layer >= (n > 1)
    for i in range(n):
        hidden = draw.mask[0] if i == layer else ~draw.prompt[0] & torch.tensor(i > layer)
        embedded = state[f"token_emb.{i}.weight"][codes[:, 1 + i]]
        x = x + torch.where(hidden[:, None], state["mask_emb.weight"], embedded)
    condition = state["cond_emb.weight"][codes[:, 0]] + state["layer_emb.weight"][layer]
    hidden = network(state, x + mlp(state, "cond_mlp", condition), float(draw.t))
    torch.testing.assert_close(found.hidden[0], hidden, atol=2e-5, rtol=1e-4)
    logits = hidden @ state[f"to_logits.{layer}.weight"].T + state[f"to_logits.{layer}.bias"]
    torch.testing.assert_close(found.logits[0], logits, atol=1e-4, rtol=1e-4)


def test_both_stages_one_after_the_other(tmp_path):
    torch.manual_seed(2)
    for name, state in (
        (maskgct.T2S, t2s_state()),
        (maskgct.S2A_FIRST, s2a_state(1)),
        (maskgct.S2A_FULL, s2a_state(4)),
    ):
        saved(tmp_path, name, state)
    models = {name: maskgct.read_model(tmp_path, name, HEADS) for name in maskgct.FILES}
    prompt = torch.cat([torch.randint(SEMANTIC, (5, 1)), torch.randint(ACOUSTIC, (5, 4))], 1)
    phones = torch.randint(PHONES, (6,))
    found = maskgct.generate(models, phones, prompt, 9, seed=3)
    assert found.shape == (9, 5) and found[:, 0].max() < SEMANTIC and found[:, 1:].max() < ACOUSTIC
    assert torch.equal(maskgct.generate(models, phones, prompt, 9, seed=3), found)
    first, full = (models[name].generator for name in (maskgct.S2A_FIRST, maskgct.S2A_FULL))
    with torch.no_grad():  # the full model's own first layer is not asked for
        full.to_logits[0].weight.fill_(torch.nan)
        assert torch.equal(maskgct.generate(models, phones, prompt, 9, seed=3), found)
        first.to_logits[0].weight.neg_()
        assert not torch.equal(maskgct.generate(models, phones, prompt, 9, seed=3), found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("to_logit.bias"), "missing parameter generator.to_logits.0.bias"),
        (lambda s: s.pop("mask_emb.weight"), "missing parameter mask_emb.weight"),
        (lambda s: s.update(more=torch.zeros(1)), "unknown parameter generator.more"),
        (lambda s: s.update({"phone_emb.weight": torch.zeros(9, 8)}), "shape"),
    ],
)
def test_other_weights_are_refused(tmp_path, change, message):
    state = t2s_state()
    change(state)
    saved(tmp_path, maskgct.T2S, state)
    with pytest.raises(UserError, match=message):
        maskgct.read_model(tmp_path, maskgct.T2S, HEADS)


def test_a_missing_file_and_other_heads(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        maskgct.read_model(tmp_path, maskgct.T2S)
    saved(tmp_path, maskgct.T2S, t2s_state())
    with pytest.raises(UserError, match="heads 16"):
        maskgct.read_model(tmp_path, maskgct.T2S)


def test_the_licence_is_one_that_a_model_card_names():
    assert licence_id(LICENCE) == "cc-by-nc-4.0"
