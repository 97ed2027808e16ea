"""Small checkpoints in ESPnet-SpeechLM's layout, from documented names, and a plain forward."""

import json

import torch
import yaml
from torch.nn import functional as F

from espnet2_ext.tokenizer.vocabulary import codec_ssl_tokens, special_tokens

SSL, CODEBOOKS, CODES, D, NQ, LAYERS, HEADS = 6, 3, 4, 16, 4, 2, 2
TEXT = ["a", "o", "i", "\u0120ai", "ao", "n", "h"]
LLAMA = {"model_type": "llama", "hidden_size": D, "intermediate_size": 24,
         "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": HEADS,
         "rms_norm_eps": 1e-5}  # fmt: skip
OLMO2 = {**LLAMA, "model_type": "olmo2"}
VARIANTS = ("plain", "shared", "aux", "wrapped", "builtin", "first_index", "olmo2")


def upstream_vocabulary() -> tuple[list[str], dict[str, list[int]]]:
    """As published: special tokens, SSL and codec, g2p, text; the svs task is not known yet."""
    tokens = [t if t != "<svs_task>" else "<unused_token_75>" for t in special_tokens()]
    bias = {"special_token": [0, 256]}
    for modality, new in (
        ("ssl", codec_ssl_tokens(SSL, 0, 0)),
        ("codec", codec_ssl_tokens(0, CODEBOOKS, CODES)),
        ("g2p", ["g2p_N", "g2p_IY1", "g2p_IY0"]),
        ("text_bpe", TEXT),
    ):
        bias[modality] = [len(tokens), len(tokens) + len(new)]
        tokens += new
    return tokens, bias


def llama_weights(draw) -> dict[str, torch.Tensor]:
    weights = {"norm.weight": draw(D)}
    for n in range(LAYERS):
        for name in "qkvo":
            weights[f"layers.{n}.self_attn.{name}_proj.weight"] = draw(D, D)
        weights[f"layers.{n}.mlp.gate_proj.weight"] = draw(24, D)
        weights[f"layers.{n}.mlp.up_proj.weight"] = draw(24, D)
        weights[f"layers.{n}.mlp.down_proj.weight"] = draw(D, 24)
        weights[f"layers.{n}.input_layernorm.weight"] = draw(D)
        weights[f"layers.{n}.post_attention_layernorm.weight"] = draw(D)
    return {f"corelm.decoders.model.{name}": weight for name, weight in weights.items()}


def olmo2_weights(draw) -> dict[str, torch.Tensor]:
    """Norms of queries and keys, and none before attention."""
    weights = llama_weights(draw)
    for n in range(LAYERS):
        layer = f"corelm.decoders.model.layers.{n}"
        weights[f"{layer}.post_feedforward_layernorm.weight"] = weights.pop(
            f"{layer}.input_layernorm.weight"
        )
        weights |= {f"{layer}.self_attn.{name}_norm.weight": draw(D) for name in "qk"}
    return weights


def builtin_weights(draw) -> dict[str, torch.Tensor]:
    weights = {"pos_emb.weight": draw(64, D), "ln.weight": draw(D), "ln.bias": draw(D)}
    for n in range(LAYERS):
        for name in ("query", "key", "value", "out"):
            weights[f"blocks.{n}.attn.{name}.weight"] = draw(D, D)
            if name != "key":
                weights[f"blocks.{n}.attn.{name}.bias"] = draw(D)
        for name in ("attn.q_norm", "attn.k_norm"):
            weights |= {f"blocks.{n}.{name}.{k}": draw(D // HEADS) for k in ("weight", "bias")}
        for name in ("attn_ln", "mlp_ln"):
            weights |= {f"blocks.{n}.{name}.{k}": draw(D) for k in ("weight", "bias")}
        weights |= {
            f"blocks.{n}.mlp.0.weight": draw(4 * D, D),
            f"blocks.{n}.mlp.0.bias": draw(4 * D),
        }
        weights |= {f"blocks.{n}.mlp.2.weight": draw(D, 4 * D), f"blocks.{n}.mlp.2.bias": draw(D)}
    return {f"corelm.decoders.{name}": weight for name, weight in weights.items()}


def write_upstream(folder, variant: str = "plain"):
    """An experiment as upstream saves it; returns its parameters."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator) * 0.3

    tokens, bias = upstream_vocabulary()
    builtin = variant == "builtin"
    state = {"corelm.emb.weight": draw(len(tokens), D), "corelm.head_emb.weight": draw(12, D)}
    shared = variant == "shared"
    state["corelm.lm_head.weight"] = state["corelm.emb.weight"] if shared else draw(len(tokens), D)
    if variant == "aux":
        state["corelm.aux_lm_head.weight"] = draw(CODEBOOKS * CODES, D)
        state["criterion.aux_lm_head.weight"] = state["corelm.aux_lm_head.weight"]
    state["criterion.lm_head.weight"] = state["corelm.lm_head.weight"]
    decoder = {"builtin": builtin_weights, "olmo2": olmo2_weights}.get(variant, llama_weights)
    state |= decoder(draw)
    backbone = {**(OLMO2 if variant == "olmo2" else LLAMA), "vocab_size": 9}
    exp = folder / "exp" / "speechlm_tts"
    exp.mkdir(parents=True)
    (folder / "backbone").mkdir()
    (folder / "backbone" / "config.json").write_text(json.dumps(backbone))
    if variant == "first_index":
        bias = {"codec_ssl": bias["ssl"][0], "g2p": bias["g2p"][0], "text_bpe": bias["text_bpe"][0]}
    conf = {"n_head": HEADS, "qk_norm": True} if builtin else {
        "hf_model_tag": str(folder / "backbone"), "attention_choice": "sdpa"}  # fmt: skip
    config = {
        "token_list": tokens, "token_bias": bias, "corelm": "ar_delay", "codec_token_in_use": NQ,
        "corelm_conf": {"share_emb": shared}, "transformer_conf": conf,
        "transformer": "builtin" if builtin else "huggingface",
    }  # fmt: skip
    (exp / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "kmeans").mkdir()
    (folder / "kmeans" / "config.yaml").write_text("encoder: e_branchformer\n")
    torch.save({"model": state} if variant == "wrapped" else state, exp / "model.pth")
    return state


def reference(state: dict[str, torch.Tensor], tokens: torch.Tensor) -> torch.Tensor:
    """Logits (T, nq, V) from the weights alone: (T, nq) delayed tokens in."""
    state = {name.removeprefix("corelm."): weight for name, weight in state.items()}
    x = state["emb.weight"][tokens].sum(1)
    h = builtin_forward(state, x) if "decoders.pos_emb.weight" in state else hf(state, x)
    h = h[:, None] + state["head_emb.weight"][:NQ]
    logits = h @ state["lm_head.weight"].T
    if "aux_lm_head.weight" in state:
        start = 256 + SSL
        logits[:, 1:] = float("-inf")
        logits[:, 1:, start : start + CODEBOOKS * CODES] = h[:, 1:] @ state["aux_lm_head.weight"].T
    return logits


def hf(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    from transformers import AutoConfig, AutoModel

    olmo2 = "decoders.model.layers.0.self_attn.q_norm.weight" in state
    arguments = {**(OLMO2 if olmo2 else LLAMA), "vocab_size": 1, "pad_token_id": None}
    model = AutoModel.from_config(AutoConfig.for_model(**arguments))
    own = {n.removeprefix("decoders.model."): w for n, w in state.items() if "decoders" in n}
    left = model.load_state_dict(own, strict=False)
    assert left.missing_keys == ["embed_tokens.weight"] and not left.unexpected_keys
    with torch.no_grad():
        return model(inputs_embeds=x[None]).last_hidden_state[0]


def builtin_forward(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        return (x - x.mean(-1, keepdim=True)) / (x.var(-1, False, keepdim=True) + 1e-5).sqrt() * (
            weight) + bias  # fmt: skip

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return x @ state[f"{name}.weight"].T + state.get(f"{name}.bias", 0.0)

    T, width = len(x), D // HEADS
    x = x + state["decoders.pos_emb.weight"][:T]
    causal = torch.full((T, T), float("-inf")).triu(1)
    for n in range(LAYERS):
        block = f"decoders.blocks.{n}"
        h = norm(x, f"{block}.attn_ln")
        q, k, v = (linear(h, f"{block}.attn.{m}").view(T, HEADS, width).transpose(0, 1)
                   for m in ("query", "key", "value"))  # fmt: skip
        q, k = norm(q, f"{block}.attn.q_norm"), norm(k, f"{block}.attn.k_norm")
        weights = (q @ k.transpose(1, 2) / width**0.5 + causal).softmax(-1)
        x = x + linear((weights @ v).transpose(0, 1).reshape(T, D), f"{block}.attn.out")
        h = F.gelu(linear(norm(x, f"{block}.mlp_ln"), f"{block}.mlp.0"))
        x = x + linear(h, f"{block}.mlp.2")
    return norm(x, "decoders.ln")
