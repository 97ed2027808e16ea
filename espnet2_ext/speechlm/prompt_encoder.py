"""Prompt encoder: one vector for a singer, from the tokens of another utterance."""

from collections.abc import Sequence

import torch
from torch import LongTensor, Tensor, nn


class PooledPromptEncoder(nn.Module):
    """Embed the prompt's tokens, pool over its frames, and project.

    Args:
        stream_sizes: Codes of each stream (nq,).
        d_model: Width of the output.
        channels: Width inside.
        pooling: ``attention`` or ``mean``.
        dropout: Probability of training without the prompt, so that none can be given.
    """

    def __init__(
        self,
        stream_sizes: Sequence[int],
        d_model: int,
        channels: int = 64,
        pooling: str = "attention",
        dropout: float = 0.05,
    ) -> None:
        super().__init__()
        if pooling not in ("attention", "mean"):
            raise ValueError(f"pooling {pooling!r} is neither 'attention' nor 'mean'")
        self.embedding = nn.Embedding(sum(stream_sizes), channels)
        sizes = torch.tensor(stream_sizes)
        base = torch.cumsum(sizes, 0) - sizes
        self.register_buffer("base", base, persistent=False)
        self.frame = nn.Sequential(
            nn.LayerNorm(channels), nn.Linear(channels, 2 * channels), nn.GELU()
        )
        self.score = nn.Linear(2 * channels, 1) if pooling == "attention" else None
        self.out = nn.Linear(2 * channels, d_model)
        self.nobody = nn.Parameter(torch.zeros(d_model))
        self.dropout = dropout

    def forward(self, prompt: LongTensor, lengths: LongTensor) -> Tensor:
        """Encode local codes (B, P, nq) to (B, d_model); length 0 stands for no prompt."""
        x = self.frame(self.embedding(prompt + self.base).sum(2))
        mask = torch.arange(prompt.size(1), device=prompt.device) < lengths[:, None]
        weight = x.new_zeros(mask.shape) if self.score is None else self.score(x).squeeze(-1)
        weight = weight.float().masked_fill(~mask, -1e4).softmax(-1).to(x.dtype)
        singer = self.out((weight[..., None] * x).sum(1))
        absent = lengths == 0
        if self.training and self.dropout > 0:
            absent = absent | (torch.rand(len(lengths), device=x.device) < self.dropout)
        return torch.where(absent[:, None], self.nobody.to(singer.dtype), singer)
