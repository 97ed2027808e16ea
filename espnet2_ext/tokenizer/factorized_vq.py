"""Residual vector quantisation in a few dimensions, by direction: factorised codes.

Source: Yu et al. 2022 (ViT-VQGAN, arXiv 2110.04627); parameters have the names of MaskGCT's codecs.
"""

from collections.abc import Sequence

import torch
from torch import LongTensor, Tensor, nn
from torch.nn.functional import normalize


class FactorizedVQ(nn.Module):
    """One codebook.

    Args:
        channels: Of the features.
        size: Codes.
        width: Dimensions of a code.
    """

    def __init__(self, channels: int, size: int, width: int) -> None:
        super().__init__()
        self.in_project = nn.Conv1d(channels, width, 1)
        self.out_project = nn.Conv1d(width, channels, 1)
        self.codebook = nn.Embedding(size, width)

    def encode(self, x: Tensor) -> LongTensor:
        """Features (B, channels, F) to the codes (B, F) whose direction is nearest."""
        codes = normalize(self.codebook.weight)
        return (normalize(self.in_project(x).transpose(1, 2), dim=-1) @ codes.T).argmax(-1)

    def embed(self, codes: LongTensor) -> Tensor:
        """Codes (B, F) to features (B, channels, F)."""
        return self.out_project(self.codebook(codes).transpose(1, 2))


class FactorizedRVQ(nn.Module):
    """Codebooks of which each quantises what those before it left.

    Args:
        channels: Of the features.
        sizes: Codes of each codebook.
        width: Dimensions of a code.
    """

    def __init__(self, channels: int, sizes: Sequence[int], width: int) -> None:
        super().__init__()
        self.quantizers = nn.ModuleList(FactorizedVQ(channels, size, width) for size in sizes)

    def encode(self, x: Tensor) -> LongTensor:
        """Features (B, channels, F) to codes (B, F, codebooks)."""
        found = []
        for quantizer in self.quantizers:
            found.append(quantizer.encode(x))
            x = x - quantizer.embed(found[-1])
        return torch.stack(found, -1)

    def embed(self, codes: LongTensor) -> Tensor:
        """Codes (B, F, k) of the first k codebooks to features (B, channels, F)."""
        some = list(self.quantizers)[: codes.size(2)]
        return sum(q.embed(codes[..., i]) for i, q in enumerate(some))
