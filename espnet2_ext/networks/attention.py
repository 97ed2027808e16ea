"""Attention of frames to a sequence of another length."""

from torch import BoolTensor, Tensor, nn

_HEADS = 4


class CrossAttention(nn.Module):
    """Frames attend to a sequence, and what they find is added to them.

    Args:
        channels: Width of both.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        heads = _HEADS if channels % _HEADS == 0 else 1
        self.norm = nn.LayerNorm(channels)
        self.attention = nn.MultiheadAttention(channels, heads, batch_first=True)

    def forward(self, x: Tensor, sequence: Tensor, mask: BoolTensor) -> Tensor:
        """x (B, F, channels); sequence (B, S, channels), mask (B, S) true where it is real."""
        h = self.norm(x)
        found, _ = self.attention(h, sequence, sequence, ~mask, need_weights=False)
        return x + found
