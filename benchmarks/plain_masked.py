"""MaskGCT's decoding as it is published, written plainly from its description.

One utterance at a time; guidance is a second pass of the network; every step computes everything
anew: conditions, embeddings, the modulation by the time, noise and filter over all codes.
Attention is written out. It is what `masked.decoding` is held against, in tests and in benchmarks.

Source: Wang et al. 2024 (arXiv 2409.00750).
"""

import math

import torch
from torch import Tensor

from espnet2_ext.masked.generator import MaskedTokens
from espnet2_ext.masked.options import MaskedDecoding
from espnet2_ext.masked.schedule import masked_share
from espnet2_ext.networks.bidirectional import BidirectionalLlama


def plain_network(net: BidirectionalLlama, x: Tensor, t: float) -> Tensor:
    """Hidden states (1, T, d) of embeddings x (1, T, d) at a time."""
    _, T, d = x.shape
    half = d // 2
    period = torch.tensor([10000.0 ** (-i / (half - 1)) for i in range(half)])
    angle = (t * period).to(x)
    vector = net.diff_step_mlp(torch.cat([angle.sin(), angle.cos()])[None])

    def normed(norm: torch.nn.Module, x: Tensor) -> Tensor:
        root = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)
        return norm.to_weight(vector)[:, None] * (x * root)

    for layer in net.layers:
        attention, mlp = layer.self_attn, layer.mlp
        width = attention.head_dim
        h = normed(layer.input_layernorm, x)
        q, k, v = (
            project(h).view(1, T, -1, width).transpose(1, 2)
            for project in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        turn = torch.arange(T).to(x)[:, None] * 10000.0 ** (
            -torch.arange(0, width, 2).to(x) / width
        )
        cos, sin = torch.cat([turn, turn], -1).cos(), torch.cat([turn, turn], -1).sin()
        q, k = (
            s * cos + torch.cat([-s[..., width // 2 :], s[..., : width // 2]], -1) * sin
            for s in (q, k)
        )
        weight = (q @ k.transpose(2, 3) / math.sqrt(width)).softmax(-1)
        x = x + attention.o_proj((weight @ v).transpose(1, 2).reshape(1, T, d))
        h = normed(layer.post_attention_layernorm, x)
        x = x + mlp.down_proj(torch.nn.functional.silu(mlp.gate_proj(h)) * mlp.up_proj(h))
    return normed(net.norm, x)


def _gumbel(uniform: Tensor) -> Tensor:
    return -torch.log(-torch.log(uniform + 1e-10) + 1e-10)


@torch.no_grad()
def plain_decode(
    model: MaskedTokens,
    prompt: Tensor,
    n_frames: int,
    frames: Tensor | None,
    prefix: Tensor | None,
    config: MaskedDecoding,
    noise=None,
    unguided: Tensor | None = None,
) -> Tensor:
    """Codes (n_frames, N) of one utterance.

    Args:
        model: Generator.
        prompt: Codes (P, N).
        n_frames: To decode.
        frames: Condition on the clock (P + n_frames, d), or None.
        prefix: Condition that stands before (S, d), or None.
        config: Options; ``without`` names prompt and prefix.
        noise: As `masked.noise.Noise` of the only utterance; None: drawn over all codes.
        unguided: `frames` where guidance leaves conditions out; None: `frames`.
    """
    net, N, P, T = model.diff_estimator, len(model.codes), len(prompt), n_frames
    device, mask_token = prompt.device, model.mask_emb.weight[0]
    found = torch.zeros(T, N, dtype=torch.long, device=device)
    known = torch.zeros(1, T, net.width, device=device)

    def hidden(current: Tensor, t: float, layer: int, on_clock, with_prompt, with_prefix) -> Tensor:
        x = current
        if with_prompt:
            seen = sum(model.token_emb[i](prompt[:, i])[None] for i in range(N))
            x = torch.cat([seen, current], 1)
        condition = on_clock if with_prompt or on_clock is None else on_clock[P:]
        if model.layer_emb is not None:
            of_layer = model.layer_emb.weight[layer]
            condition = (
                of_layer.expand(x.size(1), -1) if condition is None else condition + of_layer
            )
        if condition is not None:
            x = x + net.cond_mlp(condition)[None]
        if prefix is not None and with_prefix:
            x = torch.cat([net.cond_mlp(prefix)[None], x], 1)
        return plain_network(net, x, t)[:, -T:]

    for layer in range(model.config.first_layer, N):
        steps, V = config.steps_of(layer), model.codes[layer]
        k = math.ceil(config.kept_share * V - 1e-9)
        masked = torch.ones(T, dtype=torch.bool, device=device)
        codes = torch.zeros(T, dtype=torch.long, device=device)
        times = [1.0 - i / steps for i in range(steps)] + [0.0]
        for i in range(steps):
            t = times[i]
            token = torch.where(masked[:, None], mask_token, model.token_emb[layer](codes))
            current = known + token[None] + (N - 1 - layer) * mask_token
            e = hidden(current, t, layer, frames, True, True)
            if config.guidance:
                e_u = hidden(
                    current, t, layer, frames if unguided is None else unguided,
                    "prompt" not in config.without, "prefix" not in config.without,
                )  # fmt: skip
                std, w, r = e.std(), config.guidance, config.rescale
                e = e + w * (e - e_u)
                e = r * (e * std / e.std()) + (1 - r) * e
            logits = model.to_logits[layer](e)[0]
            values, best = logits.topk(k, dim=-1)
            logits = torch.full_like(logits, -torch.inf).scatter(1, best, values)
            if noise is None:
                of_codes = _gumbel(torch.rand(T, V, device=device))
                of_choice = _gumbel(torch.rand(T, device=device))
            else:
                drawn = _gumbel(noise(0, layer, i, int(masked.sum()), k + 1)).to(device)
                of_codes = torch.zeros(T, V, device=device)
                of_choice = torch.zeros(T, device=device)
                placed = torch.zeros(len(drawn), V, device=device).scatter(
                    1, best[masked], drawn[:, :k]
                )
                of_codes[masked], of_choice[masked] = placed, drawn[:, k]
            if i == steps - 1 and steps > 1:
                sampled = logits.argmax(-1)
            else:
                temperature = config.last_temperature if steps == 1 else config.temperature * t
                sampled = (logits / max(temperature, 1e-3) + of_codes).argmax(-1)
            codes = torch.where(masked, sampled, codes)
            sure = logits.softmax(-1).gather(1, sampled[:, None])[:, 0]
            sure = sure + config.choice_temperature * t * of_choice
            share = masked_share(torch.tensor(times[i + 1]), model.config.mask_schedule)
            n = int(share * T + 1e-6)
            if n == 0:
                break
            doubt = (1 - sure).masked_fill(~masked, -torch.finfo(sure.dtype).max)
            masked = torch.zeros_like(masked).scatter(0, doubt.topk(n).indices, True)
        found[:, layer] = codes
        known = known + model.token_emb[layer](codes)[None]
    return found
