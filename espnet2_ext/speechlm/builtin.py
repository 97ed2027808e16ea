"""ESPnet-SpeechLM's own decoder: learned positions, layer norm before each block, GELU.

Parameters are named as in its checkpoints (``blocks.N.attn.query`` ...), the call is that of a
Hugging Face base model, so that training and decoding treat both alike.
"""

from dataclasses import dataclass
from types import SimpleNamespace

import torch
from torch import LongTensor, Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from espnet2_ext.errors import UserError
from espnet2_ext.speechlm.cache import KeyValueCache
from espnet2_ext.speechlm.packing import Segments, packed_causal


class _Attention(nn.Module):
    def __init__(self, n_state: int, n_head: int, qk_norm: bool, dropout: float) -> None:
        super().__init__()
        self.n_head, self.dropout, self.qk_norm = n_head, dropout, qk_norm
        self.query = nn.Linear(n_state, n_state)
        self.key = nn.Linear(n_state, n_state, bias=False)
        self.value = nn.Linear(n_state, n_state)
        self.out = nn.Linear(n_state, n_state)
        if qk_norm:
            self.q_norm = nn.LayerNorm(n_state // n_head)
            self.k_norm = nn.LayerNorm(n_state // n_head)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        cache: KeyValueCache | None,
        layer: int,
        segments: Segments | None = None,
    ) -> Tensor:
        q, k, v = (
            linear(x).unflatten(-1, (self.n_head, -1)).transpose(1, 2)
            for linear in (self.query, self.key, self.value)
        )
        if self.qk_norm:
            q, k = self.q_norm(q), self.k_norm(k)
        if cache is not None:
            k, v = cache.update(k, v, layer)
        dropout = self.dropout if self.training else 0.0
        if segments is None:
            mixed = scaled_dot_product_attention(q, k, v, mask, dropout, is_causal=mask is None)
        else:
            mixed = packed_causal(scaled_dot_product_attention, q, k, v, segments, dropout)
        return self.out(mixed.transpose(1, 2).flatten(2))


class _Block(nn.Module):
    def __init__(self, n_state: int, n_head: int, qk_norm: bool, dropout: float) -> None:
        super().__init__()
        self.attn = _Attention(n_state, n_head, qk_norm, dropout)
        self.attn_ln = nn.LayerNorm(n_state)
        self.mlp = nn.Sequential(
            nn.Linear(n_state, 4 * n_state), nn.GELU(), nn.Linear(4 * n_state, n_state)
        )
        self.mlp_ln = nn.LayerNorm(n_state)
        self.drop = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        cache: KeyValueCache | None,
        layer: int,
        segments: Segments | None = None,
    ) -> Tensor:
        x = x + self.drop(self.attn(self.attn_ln(x), mask, cache, layer, segments))
        return x + self.drop(self.mlp(self.mlp_ln(x)))


@dataclass(frozen=True)
class BuiltinConfig:
    """The size of a `BuiltinDecoder`.

    Args:
        n_ctx: Positions it has embeddings for.
        n_state: Width.
        n_head: Attention heads.
        n_layer: Blocks.
        qk_norm: Layer norm on the queries and keys of each head.
        dropout: On attention and on each block's outputs.
    """

    n_ctx: int
    n_state: int
    n_head: int
    n_layer: int
    qk_norm: bool = False
    dropout: float = 0.0
    initializer_range: float = 0.02

    def __post_init__(self) -> None:
        if self.n_state % self.n_head:
            raise ValueError(f"n_state {self.n_state} is no multiple of n_head {self.n_head}")

    @property
    def hidden_size(self) -> int:
        return self.n_state


class BuiltinDecoder(nn.Module):
    """The decoder of checkpoints that were not started from a text LM."""

    def __init__(self, config: BuiltinConfig) -> None:
        super().__init__()
        c = config
        self.n_ctx, self.gradient_checkpointing = c.n_ctx, False
        self.pos_emb = nn.Embedding(c.n_ctx, c.n_state)
        self.blocks = nn.ModuleList(
            _Block(c.n_state, c.n_head, c.qk_norm, c.dropout) for _ in range(c.n_layer)
        )
        self.ln = nn.LayerNorm(c.n_state)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=c.initializer_range)
                if getattr(module, "bias", None) is not None:
                    nn.init.zeros_(module.bias)

    def activation_checkpointing_enable(self, *_: object) -> None:
        """Recompute blocks in the backward pass."""
        self.gradient_checkpointing = True

    def forward(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: LongTensor | None = None,
        past_key_values: KeyValueCache | None = None,
        use_cache: bool = False,
        segments: Segments | None = None,
    ) -> SimpleNamespace:
        """Run (B, n, d); without a mask (B, 1, n, keys) it is causal, within each of `segments`.

        Raises:
            UserError: more positions than `n_ctx`.
        """
        n = inputs_embeds.size(1)
        length = n if past_key_values is None else n + past_key_values.get_seq_length()
        if segments is not None:
            length = max(segments.lengths)
        if length > self.n_ctx:
            raise UserError("sequence", f"{length} positions", f"{self.n_ctx}, as the checkpoint")
        if position_ids is None:
            position_ids = torch.arange(n, device=inputs_embeds.device)[None]
        x = inputs_embeds + self.pos_emb(position_ids)
        for layer, block in enumerate(self.blocks):
            arguments = (x, attention_mask, past_key_values, layer, segments)
            if self.gradient_checkpointing and self.training:
                x = checkpoint(block, *arguments, use_reentrant=False)
            else:
                x = block(*arguments)
        return SimpleNamespace(last_hidden_state=self.ln(x))
