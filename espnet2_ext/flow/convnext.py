"""Velocity network of ConvNeXt blocks: local, fast, exact under padding."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from espnet2_ext.networks.convnext import ConvNeXtBlock
from espnet2_ext.networks.time_embedding import TimeEmbedding


class ConvNeXtVelocity(nn.Module):
    """u_theta(x_t, t | C) by modulated ConvNeXt blocks.

    Args:
        data_dim: Channels of x.
        condition_dim: Channels of the condition C.
        vector_dim: Size of the utterance vector (singer), 0 for none.
        channels: Width.
        n_layers: Blocks.
        kernel_size: Of the depthwise convolutions.
        expansion: Of the bottlenecks.
        dropout: In the bottlenecks.

    Attributes:
        takes_text: See `MMDiT`.
    """

    takes_text: ClassVar[bool] = False

    def __init__(
        self,
        data_dim: int,
        condition_dim: int,
        vector_dim: int = 0,
        channels: int = 192,
        n_layers: int = 4,
        kernel_size: int = 7,
        expansion: int = 3,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.data_in = nn.Linear(data_dim, channels)
        self.condition_in = nn.Linear(condition_dim, channels)
        self.time = TimeEmbedding(channels)
        self.vector_in = nn.Linear(vector_dim, channels) if vector_dim else None
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(channels, kernel_size, expansion, channels, dropout)
            for _ in range(n_layers)
        )
        self.norm = nn.LayerNorm(channels)
        self.out = nn.Linear(channels, data_dim)

    def forward(
        self, x_t: Tensor, t: Tensor, condition: Tensor, mask: Tensor, vector: Tensor | None = None
    ) -> Tensor:
        """Velocity at (x_t, t).

        Args:
            x_t: (B, T, data_dim).
            t: (B,).
            condition: C (B, T, condition_dim).
            mask: True on real frames (B, T, 1).
            vector: Utterance vector (B, vector_dim), if the network has one.

        Returns:
            (B, T, data_dim).
        """
        time = self.time(t)
        if self.vector_in is not None and vector is not None:
            time = time + self.vector_in(vector)
        time = F.silu(time)
        h = self.data_in(x_t) + self.condition_in(condition)
        for block in self.blocks:
            h = block(h, mask, time)
        return self.out(self.norm(h)) * mask.to(torch.float32)
