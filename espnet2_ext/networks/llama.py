"""What Llama-shaped networks are made of: rotated positions, attention, SwiGLU.

Parameters have transformers' names, and every operation is done as transformers does it.

Source: Touvron et al. 2023 (arXiv 2302.13971); Su et al. 2021 (arXiv 2104.09864).
"""

import torch
from torch import LongTensor, Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu


class Rotation(nn.Module):
    """Cosines and sines (B, T, width) of positions (B, T), in the type of `x`."""

    rope_type = "default"

    def __init__(self, width: int, theta: float) -> None:
        super().__init__()
        frequencies = 1.0 / theta ** (torch.arange(0, width, 2, dtype=torch.float) / width)
        self.register_buffer("inv_freq", frequencies, persistent=False)

    def forward(self, x: Tensor, positions: LongTensor) -> tuple[Tensor, Tensor]:
        angles = positions[..., None].float() * self.inv_freq.to(x.device, torch.float)
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos().to(x.dtype), angles.sin().to(x.dtype)


def rotated(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Queries or keys (..., T, width) turned by a `Rotation` of the same shape."""
    first, second = states.chunk(2, dim=-1)
    return states * cos + torch.cat((-second, first), dim=-1) * sin


class SelfAttention(nn.Module):
    """Attention in which every position sees all that `mask` lets it see.

    Args:
        width: Of the input.
        heads: Of queries.
        groups: Heads of keys and values; None: as many.
        bias: Of the projections to queries, keys and values.
    """

    def __init__(
        self, width: int, heads: int, groups: int | None = None, bias: bool = False
    ) -> None:
        super().__init__()
        groups = heads if groups is None else groups
        self.head_dim = width // heads
        self.scaling, self.shared_by = self.head_dim**-0.5, heads // groups
        self.q_proj = nn.Linear(width, heads * self.head_dim, bias=bias)
        self.k_proj = nn.Linear(width, groups * self.head_dim, bias=bias)
        self.v_proj = nn.Linear(width, groups * self.head_dim, bias=bias)
        self.o_proj = nn.Linear(heads * self.head_dim, width, bias=False)

    def states(self, x: Tensor, rotation: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries and keys, rotated, and values (B, heads, T, head_dim) of x (B, T, width)."""
        q, k, v = (
            project(x).unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        cos, sin = (table[:, None] for table in rotation)
        return rotated(q, cos, sin), rotated(k, cos, sin), v

    def forward(
        self, x: Tensor, rotation: tuple[Tensor, Tensor], mask: Tensor | None = None
    ) -> Tensor:
        """x (B, T, width) -> (B, T, width).

        Args:
            x: Input.
            rotation: Of its positions, by `Rotation`.
            mask: True where a query sees a key (B, 1, T or 1, T); None: everywhere.
        """
        q, k, v = self.states(x, rotation)
        mixed = scaled_dot_product_attention(
            q, k, v, mask, scale=self.scaling, enable_gqa=self.shared_by > 1
        )
        return self.o_proj(mixed.transpose(1, 2).flatten(2))


class SwiGLU(nn.Module):
    """Feed-forward layer (Shazeer 2020, arXiv 2002.05202).

    Args:
        width: Of input and output.
        inner: Between.
    """

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(width, inner, bias=False)
        self.up_proj = nn.Linear(width, inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(silu(self.gate_proj(x)) * self.up_proj(x))
