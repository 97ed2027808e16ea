"""ConvNeXt blocks over time, exact under padding (Liu et al. 2022; over frames as in Vocos)."""

import torch
from torch import Tensor, nn


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, then a pointwise network, added with a learned scale.

    ``forward``: x (B, T, dim), mask (B, T, 1) or None -> (B, T, dim).
    """

    def __init__(self, dim: int, kernel_size: int, expansion: int, initial_scale: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(dim, dim, kernel_size, padding=kernel_size // 2, groups=dim)
        self.norm = nn.LayerNorm(dim)
        self.wide = nn.Linear(dim, expansion * dim)
        self.narrow = nn.Linear(expansion * dim, dim)
        self.scale = nn.Parameter(torch.full((dim,), initial_scale))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        seen = x if mask is None else x * mask
        y = self.depthwise(seen.transpose(1, 2)).transpose(1, 2)
        y = self.narrow(nn.functional.gelu(self.wide(self.norm(y))))
        return x + self.scale * y


class ConvNeXt(nn.Module):
    """Features (B, T, in_dim) to (B, T, out_dim) over `context_frames` on either side."""

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        dim: int,
        n_layers: int,
        kernel_size: int = 7,
        expansion: int = 2,
    ) -> None:
        super().__init__()
        self.input = nn.Conv1d(in_dim, dim, kernel_size, padding=kernel_size // 2)
        self.input_norm = nn.LayerNorm(dim)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(dim, kernel_size, expansion, 1 / n_layers) for _ in range(n_layers)
        )
        self.output_norm = nn.LayerNorm(dim)
        self.output = nn.Linear(dim, out_dim)
        self.context_frames = (n_layers + 1) * (kernel_size // 2)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        mask = None if mask is None else mask.unsqueeze(-1)
        x = x if mask is None else x * mask
        x = self.input_norm(self.input(x.transpose(1, 2)).transpose(1, 2))
        for block in self.blocks:
            x = block(x, mask)
        return self.output(self.output_norm(x))
