"""Sequences end to end in one row, none seeing another: block-diagonal causal attention.

Padding-free training (Krell et al. 2021, arXiv 2107.02027): linear layers, norms and the loss see
the real positions of a batch and nothing else; positions restart with every sequence. Attention
never computes what its mask would hide: FlashAttention is told where sequences begin, and elsewhere
each sequence is its own causal attention.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import LongTensor, Tensor, nn

SDPA = "sdpa_packed"  # the name under which transformers finds `packed_attention`


@dataclass(frozen=True)
class Segments:
    """Where the sequences of a packed row lie.

    Args:
        lengths: Positions of each sequence (B,).
        first: Of each sequence (B,).
        position_ids: Positions within the sequences (1, N).
    """

    lengths: tuple[int, ...]
    first: LongTensor
    position_ids: LongTensor

    @classmethod
    def of(cls, lengths: Sequence[int], device: torch.device | str = "cpu") -> "Segments":
        """Lay sequences of these lengths end to end."""
        size = torch.tensor(lengths, device=device)
        first = size.cumsum(0) - size
        position = torch.arange(sum(lengths), device=device) - first.repeat_interleave(size)
        return cls(tuple(lengths), first, position[None])

    def pack(self, padded: Tensor) -> Tensor:
        """Keep the real positions of (B, T, ...): (1, N, ...)."""
        B, T = padded.shape[:2]
        size = torch.tensor(self.lengths, device=padded.device)
        row = torch.arange(B, device=padded.device).repeat_interleave(size)
        return padded.flatten(0, 1)[row * T + self.position_ids[0]][None]

    def split(self, packed: Tensor, dim: int) -> Iterator[Tensor]:
        """The sequences of a packed tensor, one after another."""
        yield from packed.split(self.lengths, dim)

    def arguments(self, flash: bool) -> dict[str, object]:
        """What a decoder takes for the sequences of a packed row.

        Args:
            flash: For transformers' FlashAttention, else for `packed_attention`.
        """
        if not flash:
            # The mask is not looked at; without one, transformers would make one of N x N.
            mask = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=self.first.device)
            return {"segments": self, "attention_mask": mask}
        ends = torch.nn.functional.pad(self.first, (0, 1), value=sum(self.lengths)).int()
        longest = max(self.lengths)
        return {
            "cu_seq_lens_q": ends, "cu_seq_lens_k": ends,
            "max_length_q": longest, "max_length_k": longest,
        }  # fmt: skip


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    segments: Segments | None = None,
    sliding_window: int | None = None,
    **kwargs: object,
) -> tuple[Tensor, None]:
    """Causal attention within each segment; without segments, transformers' own sdpa.

    Args:
        module: Attention layer.
        query: (1, heads, N, width); `key` and `value` the same, perhaps of fewer heads.
        attention_mask: Used without segments only.
        segments: Of the packed row.
        sliding_window: Positions that one sees, itself included, in models that have one.

    Returns:
        tuple: (1, N, heads, width), and None for the weights.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if segments is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    mixed = [
        sdpa_attention_forward(module, q, k, v, _window(q, sliding_window), **kwargs)[0]
        for q, k, v in zip(*(segments.split(x, 2) for x in (query, key, value)), strict=True)
    ]
    return torch.cat(mixed, 1), None


def _window(query: Tensor, size: int | None) -> Tensor | None:
    n = query.size(2)
    if size is None or n <= size:
        return None
    t = torch.arange(n, device=query.device)
    back = t[:, None] - t
    return ((back >= 0) & (back < size))[None, None]


def packed_causal(
    attention: Callable[..., Tensor],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    segments: Segments,
    dropout: float,
) -> Tensor:
    """`attention` (PyTorch's) within each segment: (1, heads, N, width)."""
    parts = zip(*(segments.split(x, 2) for x in (query, key, value)), strict=True)
    return torch.cat([attention(*p, None, dropout, is_causal=True) for p in parts], 2)


def allow_packing(backbone: nn.Module, attention: str) -> None:
    """Let a decoder's attention take segments, in place.

    Raises:
        ValueError: an attention, or a Hugging Face model, that cannot.
    """
    if attention not in ("sdpa", "flash_attention_2"):
        raise ValueError(f"packing needs attention sdpa or flash_attention_2, not {attention}")
    config = getattr(backbone, "config", None)
    if config is None:  # the built-in decoder
        return
    if not getattr(backbone, "_supports_attention_backend", False):
        raise ValueError(f"packing: {config.model_type} does not hand segments to its attention")
    if attention == "sdpa":
        from transformers import AttentionInterface, AttentionMaskInterface
        from transformers.masking_utils import sdpa_mask

        AttentionInterface.register(SDPA, packed_attention)
        AttentionMaskInterface.register(SDPA, sdpa_mask)
        config._attn_implementation = SDPA
