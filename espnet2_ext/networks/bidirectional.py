"""A Llama in which every position sees all others, modulated by a time: MaskGCT's network.

Each RMSNorm's weight is a linear function of the embedded time (adaptive RMSNorm). Parameters have
the names of MaskGCT's checkpoints (there under ``diff_estimator.``).

Source: Wang et al. 2024 (arXiv 2409.00750), and the names and shapes of its published weights.
"""

import math

import torch
from torch import BoolTensor, LongTensor, Tensor, nn
from torch.utils.checkpoint import checkpoint

from espnet2_ext.networks.llama import Rotation, SelfAttention, SwiGLU

ROPE_THETA = 10000.0
_LONGEST_PERIOD = 10000.0


def sinusoids(t: Tensor, width: int) -> Tensor:
    """Times t (B,), as they are in [0, 1], as sines and cosines (B, width)."""
    half = width // 2
    step = math.log(_LONGEST_PERIOD) / max(half - 1, 1)
    frequencies = torch.exp(torch.arange(half, device=t.device) * -step)
    angles = t.float()[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], -1)


class AdaptiveRMSNorm(nn.Module):
    """(..., d) scaled to a root mean square of 1, times a weight that a vector gives.

    Args:
        width: d, also of the vector.
        eps: Added to the mean square.
    """

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.to_weight, self.eps = nn.Linear(width, width), eps
        nn.init.zeros_(self.to_weight.weight)
        nn.init.ones_(self.to_weight.bias)

    def forward(self, x: Tensor, weight: Tensor) -> Tensor:
        """x (..., d) and ``to_weight`` of the vector, which broadcasts to it."""
        mean_square = x.to(torch.float32).pow(2).mean(-1, keepdim=True)
        return (weight * (x * torch.rsqrt(mean_square + self.eps))).to(x.dtype)


class BidirectionalBlock(nn.Module):
    """Attention and feed-forward layer, each after an adaptive norm and added to what came in."""

    def __init__(self, width: int, heads: int, expansion: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.self_attn = SelfAttention(width, heads)
        self.mlp = SwiGLU(width, expansion * width)
        self.input_layernorm = AdaptiveRMSNorm(width)
        self.post_attention_layernorm = AdaptiveRMSNorm(width)

    def forward(
        self, x: Tensor, vector: Tensor, rotation: tuple[Tensor, Tensor], mask: Tensor | None
    ) -> Tensor:
        weights = (
            norm.to_weight(vector)[:, None]
            for norm in (self.input_layernorm, self.post_attention_layernorm)
        )
        attended = self.self_attn(self.input_layernorm(x, next(weights)), rotation, mask)
        x = x + self.dropout(attended)
        return x + self.dropout(self.mlp(self.post_attention_layernorm(x, next(weights))))


def _mlp(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width))


class BidirectionalLlama(nn.Module):
    """Hidden states of a sequence at a time.

    Args:
        width: d.
        heads: Of attention.
        n_layers: Blocks.
        expansion: Of the feed-forward layers.
        checkpointing: Keep the blocks' inputs alone in training, and compute the rest again.
        dropout: Of the embeddings and of what each layer adds to them, in training.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        n_layers: int,
        expansion: int = 4,
        checkpointing: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if width % (2 * heads):
            raise ValueError(f"width {width} is not divisible by 2 x {heads} heads")
        self.width, self.checkpointing = width, checkpointing
        self.layers = nn.ModuleList(
            BidirectionalBlock(width, heads, expansion, dropout) for _ in range(n_layers)
        )
        self.dropout = nn.Dropout(dropout)
        self.norm = AdaptiveRMSNorm(width)
        self.diff_step_mlp = _mlp(width)
        self.cond_mlp = _mlp(width)
        self.rotation = Rotation(width // heads, ROPE_THETA)

    def time_vector(self, t: Tensor) -> Tensor:
        """What the norms are modulated by at times t (B,): (B, d)."""
        dtype = self.norm.to_weight.weight.dtype
        return self.diff_step_mlp(sinusoids(t, self.width).to(dtype))

    def forward(self, x: Tensor, t: Tensor, mask: BoolTensor) -> Tensor:
        """Hidden states (B, T, d).

        Args:
            x: Embeddings (B, T, d), what conditions them added.
            t: Times (B,) in [0, 1].
            mask: True on what is real (B, T); padding may stand anywhere, and moves nothing.
        """
        vector, x = self.time_vector(t), self.dropout(x)
        rotation = self.rotation(x, real_positions(mask))
        seen = mask[:, None, None]
        for layer in self.layers:
            if self.checkpointing and self.training and torch.is_grad_enabled():
                x = checkpoint(layer, x, vector, rotation, seen, use_reentrant=False)
            else:
                x = layer(x, vector, rotation, seen)
        return self.norm(x, self.norm.to_weight(vector)[:, None])


def real_positions(mask: BoolTensor) -> LongTensor:
    """Positions (B, T) that count what is real alone; 0 before."""
    return (mask.long().cumsum(1) - 1).clamp(min=0)
