"""Gumbel noise of iterative decoding: each utterance's is its own, whatever its batch is."""

import zlib
from collections.abc import Sequence

import torch
from torch import Tensor

_TINY = 1e-10


def gumbel(uniform: Tensor) -> Tensor:
    """Gumbel noise of numbers of [0, 1), of any shape."""
    return -torch.log(-torch.log(uniform + _TINY) + _TINY)


class Noise:
    """Noise by utterance, layer and step.

    Args:
        seeds: Of each utterance.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self.seeds = list(seeds)

    def __call__(self, utterance: int, layer: int, step: int, frames: int, width: int) -> Tensor:
        """Numbers of [0, 1) (frames, width), on the CPU; `gumbel` makes noise of them.

        Row k is for the k-th frame that is masked at this step. The last number of a row moves the
        choice of frames, the others that of codes: one for each candidate, the likeliest first.
        """
        seed = zlib.crc32(f"{self.seeds[utterance]} {layer} {step}".encode())
        generator = torch.Generator().manual_seed(seed)
        return torch.rand(frames, width, generator=generator)
