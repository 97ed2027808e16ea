"""Velocity network of transformer blocks (DiT, Peebles & Xie 2023): every frame sees all others.

Packs that were made with it have to load, so it stays beside the `MMDiT`, whose case without joint
blocks is a network of the same kind with parameters of other names.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from espnet2_ext.networks.convnext import DepthwiseShifts
from espnet2_ext.networks.time_embedding import TimeEmbedding


def rotate(x: Tensor, positions: Tensor) -> Tensor:
    """Rotary position embedding of x (B, H, T, D) at `positions` (T,)."""
    half = x.size(-1) // 2
    frequencies = 10000.0 ** (-torch.arange(half, device=x.device) / half)
    angle = positions[:, None] * frequencies
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


class DiTBlock(nn.Module):
    """Self-attention and feed-forward, each modulated by the time vector (adaLN-zero)."""

    def __init__(self, channels: int, n_heads: int, expansion: int, dropout: float) -> None:
        super().__init__()
        if channels % (2 * n_heads):
            raise ValueError(f"channels {channels} not divisible by 2 x {n_heads} heads")
        self.n_heads, self.dropout = n_heads, dropout
        self.norm_1 = nn.LayerNorm(channels, elementwise_affine=False)
        self.norm_2 = nn.LayerNorm(channels, elementwise_affine=False)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, expansion * channels),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(expansion * channels, channels),
        )
        self.modulation = nn.Linear(channels, 6 * channels)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, mask: Tensor, vector: Tensor) -> Tensor:
        B, T, C = x.size()
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = self.modulation(vector)[:, None].chunk(
            6, -1
        )
        h = self.norm_1(x) * (1 + scale_1) + shift_1
        q, k, v = self.qkv(h).view(B, T, 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        positions = torch.arange(T, device=x.device)
        attended = F.scaled_dot_product_attention(
            rotate(q, positions),
            rotate(k, positions),
            v,
            attn_mask=mask.view(B, 1, 1, T),
            dropout_p=self.dropout if self.training else 0.0,
        )
        x = x + gate_1 * self.out(attended.transpose(1, 2).reshape(B, T, C))
        h = self.norm_2(x) * (1 + scale_2) + shift_2
        return x + gate_2 * self.mlp(h)


class DiTVelocity(nn.Module):
    """u_theta(x_t, t | C) by DiT blocks with rotary positions and a convolutional position hint.

    Args:
        data_dim: Channels of x.
        condition_dim: Channels of the condition C.
        vector_dim: Size of the utterance vector (singer), 0 for none.
        channels: Width.
        n_layers: Blocks.
        n_heads: Attention heads.
        expansion: Of the feed-forward layers.
        dropout: In attention and feed-forward layers.
    """

    takes_text: ClassVar[bool] = False

    def __init__(
        self,
        data_dim: int,
        condition_dim: int,
        vector_dim: int = 0,
        channels: int = 192,
        n_layers: int = 4,
        n_heads: int = 4,
        expansion: int = 3,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.data_in = nn.Linear(data_dim, channels)
        self.condition_in = nn.Linear(condition_dim, channels)
        self.position = DepthwiseShifts(channels, 7)
        self.time = TimeEmbedding(channels)
        self.vector_in = nn.Linear(vector_dim, channels) if vector_dim else None
        self.blocks = nn.ModuleList(
            DiTBlock(channels, n_heads, expansion, dropout) for _ in range(n_layers)
        )
        self.norm = nn.LayerNorm(channels)
        self.out = nn.Linear(channels, data_dim)

    def forward(
        self, x_t: Tensor, t: Tensor, condition: Tensor, mask: Tensor, vector: Tensor | None = None
    ) -> Tensor:
        """Velocity at (x_t, t); arguments and result as `ConvNeXtVelocity.forward`."""
        time = self.time(t)
        if self.vector_in is not None and vector is not None:
            time = time + self.vector_in(vector)
        time = F.silu(time)
        h = self.data_in(x_t) + self.condition_in(condition)
        h = h + F.gelu(self.position(h * mask.to(h.dtype)))
        for block in self.blocks:
            h = block(h, mask, time)
        return self.out(self.norm(h)) * mask.to(torch.float32)
