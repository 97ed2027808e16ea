"""Convolutions over time on (B, T, C) that take padding for zero, as beyond an utterance's end."""

from torch import BoolTensor, Tensor, nn
from torch.nn import functional as F


class MaskedConv1d(nn.Conv1d):
    """Convolution that keeps the length; a kernel of one frame is a linear layer.

    Args:
        in_dim: Channels of the input.
        out_dim: Of the output.
        kernel_size: Frames, odd.
    """

    def __init__(self, in_dim: int, out_dim: int, kernel_size: int) -> None:
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size {kernel_size} is even")
        super().__init__(in_dim, out_dim, kernel_size, padding=kernel_size // 2)

    def forward(self, x: Tensor, mask: BoolTensor) -> Tensor:
        """x (B, T, in_dim), mask (B, T, 1) true on real frames -> (B, T, out_dim)."""
        if self.kernel_size == (1,):
            return F.linear(x, self.weight[..., 0], self.bias)
        return super().forward((x * mask).transpose(1, 2)).transpose(1, 2)


class ConvFeedForward(nn.Module):
    """Feed-forward layer of two convolutions with a GELU between them.

    Args:
        width: Of input and output.
        kernel_size: Of both, in frames.
        expansion: Width between them over `width`.
        dropout: Between them.
    """

    def __init__(
        self, width: int, kernel_size: int, expansion: int = 4, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.expand = MaskedConv1d(width, expansion * width, kernel_size)
        self.dropout = nn.Dropout(dropout)
        self.contract = MaskedConv1d(expansion * width, width, kernel_size)

    def forward(self, x: Tensor, mask: BoolTensor) -> Tensor:
        """x (B, T, width), mask (B, T, 1) -> (B, T, width)."""
        return self.contract(self.dropout(F.gelu(self.expand(x, mask))), mask)
