"""One position through a Llama or Qwen2 decoder with few operations.

At one position per sequence a small decoder's time goes into calling operations, a large one's into
reading its weights. So here q, k and v come from one product, gate and up from another, rotations
are read from a table, and nothing is worked out that a single query does not need. The weights are
the Hugging Face module's, and so are the values, up to rounding.
"""

from dataclasses import dataclass

import torch
from torch import LongTensor, Tensor, nn
from torch.nn.functional import linear, rms_norm, scaled_dot_product_attention

from espnet2_ext.speechlm.cache import KeyValueCache

MODEL_TYPES = ("llama", "qwen2")
ROPE_TYPES = ("default", "linear", "llama3", "yarn")  # others depend on the sequence's length


@dataclass(frozen=True)
class _Layer:
    norm_attention: nn.Module
    qkv: tuple[Tensor, Tensor | None]
    out: tuple[Tensor, Tensor | None]
    norm_mlp: nn.Module
    gate_up: tuple[Tensor, Tensor | None]
    down: tuple[Tensor, Tensor | None]
    activation: nn.Module


class LeanDecoder:
    """The decoder of one position at a time.

    Args:
        backbone: A Hugging Face base model for which `fits` holds.
        positions: Most positions of a sequence.
    """

    def __init__(self, backbone: nn.Module, positions: int) -> None:
        config = backbone.config
        first = backbone.layers[0].self_attn
        self.width, self.heads = first.head_dim, config.num_attention_heads
        self.groups, self.scaling = config.num_key_value_heads, first.scaling
        self.layers = [_layer(layer) for layer in backbone.layers]
        self.norm = backbone.norm
        weight = self.norm.weight
        places = torch.arange(positions, device=weight.device)[None]
        cos, sin = (table[0] for table in backbone.rotary_emb(weight, places))  # (positions, width)
        # x cos + rotate_half(x) sin, with rotate_half's sign in the table
        sin = torch.cat([-sin[:, : self.width // 2], sin[:, self.width // 2 :]], dim=1)
        self.rotations = torch.cat([cos, sin], dim=1)

    @staticmethod
    def fits(backbone: nn.Module) -> bool:
        """Whether the backbone is one that this class computes."""
        config = getattr(backbone, "config", None)
        if getattr(config, "model_type", None) not in MODEL_TYPES:
            return False
        if "sliding_attention" in (getattr(config, "layer_types", None) or ()):
            return False
        # an adapter or a quantised layer in their place computes something else
        plain = all(
            type(module) is nn.Linear
            for name, module in backbone.layers.named_modules()
            if name.endswith("_proj")
        )
        return plain and backbone.rotary_emb.rope_type in ROPE_TYPES

    def __call__(
        self, x: Tensor, positions: LongTensor, mask: Tensor | None, cache: KeyValueCache
    ) -> Tensor:
        """Feed one position of every sequence.

        Args:
            x: Embedded (B, d).
            positions: For the rotation (B,).
            mask: Added to the attention's logits (B, 1, 1, keys); None: all keys are seen.
            cache: Of the positions before; x's keys and values are added.

        Returns:
            Tensor: hidden state (B, d).
        """
        B, H, G, width = len(x), self.heads, self.groups, self.width
        cos, sin = self.rotations[positions][:, None].chunk(2, dim=-1)
        for index, layer in enumerate(self.layers):
            qkv = linear(_norm(layer.norm_attention, x), *layer.qkv).view(B, H + 2 * G, width)
            qk = qkv[:, : H + G]
            qk = qk * cos + qk.roll(width // 2, dims=-1) * sin
            keys, values = cache.update(qk[:, H:, None], qkv[:, H + G :, None], index)
            # the heads that share keys are queries of one attention
            q = qk[:, :H].view(B, G, H // G, width)
            mixed = scaled_dot_product_attention(q, keys, values, mask, scale=self.scaling)
            x = x + linear(mixed.reshape(B, H * width), *layer.out)
            gate, up = linear(_norm(layer.norm_mlp, x), *layer.gate_up).chunk(2, dim=-1)
            x = x + linear(layer.activation(gate) * up, *layer.down)
        return _norm(self.norm, x)


def _norm(norm: nn.Module, x: Tensor) -> Tensor:
    return rms_norm(x, norm.weight.shape, norm.weight, norm.variance_epsilon)


def _layer(layer: nn.Module) -> _Layer:
    attention, mlp = layer.self_attn, layer.mlp
    return _Layer(
        layer.input_layernorm,
        _fused(attention.q_proj, attention.k_proj, attention.v_proj),
        _fused(attention.o_proj),
        layer.post_attention_layernorm,
        _fused(mlp.gate_proj, mlp.up_proj),
        _fused(mlp.down_proj),
        mlp.act_fn,
    )


def _fused(*linears: nn.Linear) -> tuple[Tensor, Tensor | None]:
    """Weights and biases of several linear layers over the same input, as of one."""
    if len(linears) == 1:
        return linears[0].weight, linears[0].bias
    bias = None if linears[0].bias is None else torch.cat([m.bias for m in linears])
    return torch.cat([m.weight for m in linears]), bias
