"""One position through a Llama or Qwen2 decoder with few operations.

At one position per sequence a small decoder's time goes into calling operations, a large one's into
reading its weights. So here q, k and v come from one product, gate and up from another, rotations
are read from a table, results go to buffers that are allocated once. The weights are the Hugging
Face module's, and so are the values, up to rounding.
"""

from dataclasses import dataclass

import torch
from torch import LongTensor, Tensor, nn
from torch.nn.functional import rms_norm, scaled_dot_product_attention, silu

from espnet2_ext.speechlm.cache import KeyValueCache

MODEL_TYPES = ("llama", "qwen2")
ROPE_TYPES = ("default", "linear", "llama3", "yarn")  # others depend on the sequence's length


@dataclass(frozen=True)
class _Linear:
    """Linear layers over one input, as one: x @ weight + bias."""

    weight: Tensor
    bias: Tensor | None

    @classmethod
    def of(cls, *layers: nn.Linear) -> "_Linear":
        """Of several layers; their weights are copied, that of a single one is not."""
        weight = layers[0].weight if len(layers) == 1 else torch.cat([m.weight for m in layers])
        bias = None if layers[0].bias is None else torch.cat([m.bias for m in layers])
        return cls(weight.T, bias)

    def __call__(self, x: Tensor, out: Tensor) -> Tensor:
        if self.bias is None:
            return torch.mm(x, self.weight, out=out)
        return torch.addmm(self.bias, x, self.weight, out=out)


@dataclass(frozen=True)
class _Layer:
    norm_attention: nn.Module
    qkv: _Linear
    out: _Linear
    norm_mlp: nn.Module
    gate_up: _Linear
    down: _Linear

    @classmethod
    def of(cls, layer: nn.Module) -> "_Layer":
        attention, mlp = layer.self_attn, layer.mlp
        return cls(
            layer.input_layernorm,
            _Linear.of(attention.q_proj, attention.k_proj, attention.v_proj),
            _Linear.of(attention.o_proj),
            layer.post_attention_layernorm,
            _Linear.of(mlp.gate_proj, mlp.up_proj),
            _Linear.of(mlp.down_proj),
        )


class _Buffers:
    """What a step over B sequences writes, and views of it: H heads, G groups of them, `width`."""

    def __init__(self, x: Tensor, H: int, G: int, width: int, intermediate: int) -> None:
        B, d = x.shape
        self.x, self.normed, self.added = x.new_empty(3, B, d)
        self.scale = x.new_empty(B, 1)
        self.qkv = x.new_empty(B, (H + 2 * G) * width)
        heads = self.qkv.view(B, H + 2 * G, width)
        self.rotated, self.turned = heads[:, : H + G], x.new_empty(B, H + G, width)
        self.halves = self.rotated.chunk(2, dim=-1)
        self.turned_halves = self.turned.chunk(2, dim=-1)
        # the heads that share keys are queries of one attention
        self.queries = heads[:, :H].unflatten(1, (G, H // G))
        self.keys_values = heads[:, H:].unflatten(1, (2, G)).transpose(0, 1)[:, :, :, None]
        self.gate_up = x.new_empty(B, 2 * intermediate)
        self.gate, self.up = self.gate_up.chunk(2, dim=-1)


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
        self.intermediate = config.intermediate_size
        self.layers = [_Layer.of(layer) for layer in backbone.layers]
        self.norm = backbone.norm
        self._buffers: _Buffers | None = None
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
        if config.hidden_act != "silu":
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
        if self._buffers is None or len(self._buffers.x) != len(x):
            self._buffers = _Buffers(x, self.heads, self.groups, self.width, self.intermediate)
        b = self._buffers
        cos, sin = self.rotations.index_select(0, positions)[:, None].chunk(2, dim=-1)
        b.x.copy_(x)
        for index, layer in enumerate(self.layers):
            layer.qkv(self._norm(layer.norm_attention, b), out=b.qkv)
            b.turned_halves[0].copy_(b.halves[1])
            b.turned_halves[1].copy_(b.halves[0])
            b.rotated.mul_(cos).add_(b.turned.mul_(sin))
            keys, values = cache.append(b.keys_values, index).unbind()
            mixed = scaled_dot_product_attention(b.queries, keys, values, mask, scale=self.scaling)
            b.x.add_(layer.out(mixed.reshape(len(x), -1), out=b.added))
            layer.gate_up(self._norm(layer.norm_mlp, b), out=b.gate_up)
            b.x.add_(layer.down(silu(b.gate, inplace=True).mul_(b.up), out=b.added))
        return self._norm(self.norm, b)

    def _norm(self, norm: nn.Module, b: _Buffers) -> Tensor:
        """RMS norm of `b.x`: in its buffer, or by the library where that is one float32 kernel."""
        if b.x.is_cuda or b.x.dtype in (torch.bfloat16, torch.float16):
            return rms_norm(b.x, norm.weight.shape, norm.weight, norm.variance_epsilon)
        torch.mul(b.x, b.x, out=b.normed)
        torch.mean(b.normed, -1, keepdim=True, out=b.scale)
        b.scale.add_(norm.variance_epsilon).rsqrt_()
        return torch.mul(b.x, b.scale, out=b.normed).mul_(norm.weight)
