"""Encoder of symbols: self-attention and convolution by turns, exact under padding.

The papers have a Zipformer here (Yao et al. 2023), of which there is no package to depend on, and
torchaudio's Conformer convolves and normalises over padding, which moves what is real.
"""

import torch
from torch import BoolTensor, LongTensor, Tensor, nn

from espnet2_ext.networks.convnext import ConvNeXtBlock
from espnet2_ext.networks.llama import Rotation, SelfAttention

ROPE_THETA = 10000.0


class SymbolEncoder(nn.Module):
    """Ids (B, S) to vectors (B, S, out_dim).

    Args:
        n_symbols: Ids are below this.
        out_dim: Of the vectors.
        channels: Width inside.
        n_layers: Pairs of self-attention and a ConvNeXt block.
        n_heads: Of attention.
        kernel_size: Of the convolutions, in symbols.
        dropout: Of the embeddings and in the blocks.
    """

    def __init__(
        self,
        n_symbols: int,
        out_dim: int,
        channels: int = 192,
        n_layers: int = 4,
        n_heads: int = 4,
        kernel_size: int = 9,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if channels % (2 * n_heads):
            raise ValueError(f"channels {channels} is not divisible by 2 x {n_heads} heads")
        self.symbol = nn.Embedding(n_symbols, channels)
        self.dropout = nn.Dropout(dropout)
        self.rotation = Rotation(channels // n_heads, ROPE_THETA)
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(n_layers))
        self.attention = nn.ModuleList(SelfAttention(channels, n_heads) for _ in range(n_layers))
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(channels, kernel_size, dropout=dropout) for _ in range(n_layers)
        )
        self.norm = nn.LayerNorm(channels)
        self.out = nn.Linear(channels, out_dim)

    def forward(self, ids: LongTensor, mask: BoolTensor) -> Tensor:
        """ids (B, S), mask (B, S) true on what is real."""
        x = self.dropout(self.symbol(ids))
        rotation = self.rotation(x, torch.arange(ids.size(1), device=ids.device)[None])
        for norm, attention, block in zip(self.norms, self.attention, self.blocks, strict=True):
            x = x + attention(norm(x), rotation, mask[:, None, None])
            x = block(x, mask[..., None])
        return self.out(self.norm(x))
