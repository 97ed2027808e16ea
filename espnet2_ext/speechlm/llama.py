"""The decoder of Llama and Qwen2 for singing: the values of transformers' own, without its import.

transformers brings its generation, its kernels and torch's compiler with any model, four seconds of
processor time before the first note. Parameters have its names, and every operation is done as it
does it, so that what is sung is the same to the last bit. Trainings take transformers' own.

Source: Touvron et al. 2023 (arXiv 2302.13971): RMSNorm before each block, rotated positions (Su et
al. 2021, arXiv 2104.09864), SwiGLU; Qwen2's queries, keys and values have biases.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import SimpleNamespace
from typing import Any

import torch
from torch import LongTensor, Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from espnet2_ext.networks.llama import Rotation, SelfAttention, SwiGLU
from espnet2_ext.speechlm.cache import KeyValueCache

MODEL_TYPES = ("llama", "qwen2")
_SIZES = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")


@dataclass(frozen=True)
class LlamaConfig:
    """Sizes of a decoder, by transformers' names and with the defaults that both types share."""

    model_type: str
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    initializer_range: float = 0.02
    hidden_act: str = "silu"

    @classmethod
    def of(cls, backbone: Mapping[str, Any]) -> "LlamaConfig | None":
        """Of a backbone's configuration; None where it asks for what is not computed here."""
        known = {field.name for field in fields(cls)}
        heads = backbone.get("num_attention_heads")
        sizes = {"num_key_value_heads": heads, **backbone}
        plain = (
            backbone.get("model_type") in MODEL_TYPES
            and all(type(sizes.get(name)) is int for name in (*_SIZES, "num_key_value_heads"))
            and backbone.keys() <= known
            and backbone.get("hidden_act", "silu") == "silu"
            # what transformers gives Qwen2 is not its number of heads
            and (backbone["model_type"] == "llama" or "num_key_value_heads" in backbone)
        )
        return cls(**sizes) if plain else None


class RMSNorm(nn.Module):
    """(..., d) scaled to a root mean square of 1, in float32, times a learned weight."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight, self.variance_epsilon = nn.Parameter(torch.ones(width)), eps

    def forward(self, x: Tensor) -> Tensor:
        exact = x.to(torch.float32)
        exact = exact * torch.rsqrt(exact.pow(2).mean(-1, keepdim=True) + self.variance_epsilon)
        return self.weight * exact.to(x.dtype)


class _Attention(SelfAttention):
    def __init__(self, config: LlamaConfig) -> None:
        bias = config.model_type == "qwen2"
        super().__init__(
            config.hidden_size, config.num_attention_heads, config.num_key_value_heads, bias
        )

    def forward(
        self, x: Tensor, rotation: tuple[Tensor, Tensor], mask: Tensor | None,
        cache: KeyValueCache | None, layer: int,
    ) -> Tensor:  # fmt: skip
        q, k, v = self.states(x, rotation)
        if cache is not None:
            k, v = cache.update(k, v, layer)
        if mask is not None and self.shared_by > 1:
            k, v = (states.repeat_interleave(self.shared_by, dim=1) for states in (k, v))
        mixed = scaled_dot_product_attention(
            q, k, v, mask, scale=self.scaling, is_causal=mask is None and q.size(2) > 1,
            enable_gqa=mask is None and self.shared_by > 1,
        )  # fmt: skip
        return self.o_proj(mixed.transpose(1, 2).flatten(2))


class _Layer(nn.Module):
    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.self_attn = _Attention(config)
        self.mlp = SwiGLU(config.hidden_size, config.intermediate_size)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)


class LlamaDecoder(nn.Module):
    """The base model without its input embedding, in evaluation.

    Args:
        config: Its sizes.
    """

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.rotary_emb = Rotation(
            config.hidden_size // config.num_attention_heads, config.rope_theta
        )

    def forward(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: LongTensor | None = None,
        past_key_values: KeyValueCache | None = None,
        use_cache: bool = False,
    ) -> SimpleNamespace:
        """As transformers' base model.

        Args:
            inputs_embeds: (B, T, d).
            attention_mask: True, or 0, where a query sees a key (B, 1, T, keys); None: each
                position sees those before it.
            position_ids: For the rotation (B, T); None: 0, 1, ...
            past_key_values: Keys and values of earlier positions; those of these are added.
            use_cache: Not looked at.

        Returns:
            SimpleNamespace: with last_hidden_state (B, T, d).
        """
        x = inputs_embeds
        if position_ids is None:
            position_ids = torch.arange(x.size(1), device=x.device)[None]
        rotation = self.rotary_emb(x, position_ids)
        for index, layer in enumerate(self.layers):
            normed = layer.input_layernorm(x)
            x = x + layer.self_attn(normed, rotation, attention_mask, past_key_values, index)
            x = x + layer.mlp(layer.post_attention_layernorm(x))
        return SimpleNamespace(last_hidden_state=self.norm(x))
