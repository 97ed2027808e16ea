"""A codec's embeddings as vectors of a network: what sounds alike is alike.

To a network codes are names without a meaning. On a small corpus of many singers most names are met
too seldom, in too few voices, to learn one; the codec's own embeddings bring it along.
"""

import torch
from torch import Tensor

_LEAST_STD = 0.05  # of a principal direction, against that of the first: weaker ones stay weak


def code_rows(tables: Tensor, width: int, seed: int = 0) -> Tensor:
    """Vectors (N, K, width) of standard deviation 1 in each codebook.

    The embeddings are expressed in their principal directions, each divided by its standard
    deviation, since what tells voices and phones apart is small beside loudness; then rotated at
    random into the network's dimensions.

    Args:
        tables: Embeddings by codebook and code (N, K, D), each codebook's of mean 0.
        width: Of the network.
        seed: Of the rotation.
    """
    white = whitened(tables)
    n = white.size(-1)
    rotation = _rotation(max(width, n), seed)[:n, :width]
    rows = white @ rotation
    return rows / rows.std((1, 2), keepdim=True)


def whitened(tables: Tensor) -> Tensor:
    """Tables in principal directions of about unit variance, the strongest first."""
    covariance = sum(codes.T @ codes / len(codes) for codes in tables.double())
    variances, directions = torch.linalg.eigh(covariance)
    std = variances.clamp_min(0).sqrt().flip(0)
    scaled = directions.flip(1) / std.clamp_min(_LEAST_STD * std[0])
    return (tables.double() @ scaled).float()


def _rotation(size: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(size, size, generator=generator))[0]
