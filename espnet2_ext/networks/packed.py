"""A `BidirectionalLlama` over sequences that lie end to end: nothing is computed for padding.

Only the last frames of a sequence are asked for, so the last block computes no others. The
sequences of a call share one time, so norms' weights are vectors, and those of all times are
computed at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import LongTensor, Tensor
from torch.nn.functional import scaled_dot_product_attention, silu

from espnet2_ext.networks.bidirectional import (
    AdaptiveRMSNorm,
    BidirectionalBlock,
    BidirectionalLlama,
)
from espnet2_ext.networks.llama import rotated


@dataclass(frozen=True)
class Layout:
    """Where sequences lie.

    Args:
        lengths: Of each sequence.
        wanted: How many of its last positions are asked for.
        last: Their places in the whole (sum of `wanted`,); None: all are.
        rotation: Cosines and sines of every position (N, 1, head_dim).
    """

    lengths: tuple[int, ...]
    wanted: tuple[int, ...]
    last: LongTensor | None
    rotation: tuple[Tensor, Tensor]

    @property
    def blocks(self) -> list[tuple[int, int, int]]:
        """Neighbours of equal shape: how many, their length, how much of each is wanted."""
        shapes = zip(self.lengths, self.wanted, strict=True)
        return [(len(list(same)), *shape) for shape, same in groupby(shapes)]


class PackedLlama:
    """Computes what the network computes, in evaluation.

    Args:
        network: Whose weights are used.
    """

    def __init__(self, network: BidirectionalLlama) -> None:
        self.network = network

    def layout(self, lengths: Sequence[int], wanted: Sequence[int]) -> Layout:
        """Of sequences of these lengths, whose last `wanted` positions are asked for."""
        device = self.network.norm.to_weight.weight.device
        positions = torch.cat([torch.arange(n) for n in lengths]).to(device)
        cos, sin = self.network.rotation(self.network.norm.to_weight.weight, positions)
        last = None
        if list(lengths) != list(wanted):
            ends = torch.tensor(lengths).cumsum(0).tolist()
            last = torch.cat(
                [torch.arange(e - n, e) for e, n in zip(ends, wanted, strict=True)]
            ).to(device)
        return Layout(tuple(lengths), tuple(wanted), last, (cos[:, None], sin[:, None]))

    def modulation(self, t: Tensor) -> Tensor:
        """Weights of all norms at times t (steps,): (steps, 2 x blocks + 1, d)."""
        vector, network = self.network.time_vector(t), self.network
        norms = [
            norm
            for layer in network.layers
            for norm in (layer.input_layernorm, layer.post_attention_layernorm)
        ]
        return torch.stack([norm.to_weight(vector) for norm in (*norms, network.norm)], 1)

    def __call__(self, x: Tensor, modulation: Tensor, layout: Layout) -> Tensor:
        """Hidden states of what is asked for (sum of `wanted`, d).

        Args:
            x: Embeddings (N, d), what conditions them added; sequences end to end.
            modulation: Of the norms at the sequences' time (2 x blocks + 1, d).
            layout: Of the sequences.
        """
        layers = self.network.layers
        for i, layer in enumerate(layers):
            wanted = layout.last if i == len(layers) - 1 else None
            x = _block(layer, x, modulation[2 * i : 2 * i + 2], layout, wanted)
        return _normed(self.network.norm, x, modulation[-1])


def _normed(norm: AdaptiveRMSNorm, x: Tensor, weight: Tensor) -> Tensor:
    return torch.nn.functional.rms_norm(x, (x.size(-1),), weight, norm.eps)


def _block(
    layer: BidirectionalBlock,
    x: Tensor,
    modulation: Tensor,
    layout: Layout,
    wanted: LongTensor | None,
) -> Tensor:
    attention, mlp, (cos, sin) = layer.self_attn, layer.mlp, layout.rotation
    h = _normed(layer.input_layernorm, x, modulation[0])
    k, v = (project(h).unflatten(-1, (-1, attention.head_dim)) for project in
            (attention.k_proj, attention.v_proj))  # fmt: skip
    k, turn = rotated(k, cos, sin), (cos, sin)
    if wanted is not None:
        x, h, turn = x[wanted], h[wanted], (cos[wanted], sin[wanted])
    q = rotated(attention.q_proj(h).unflatten(-1, (-1, attention.head_dim)), *turn)
    x = x + attention.o_proj(_attend(q, k, v, layout, wanted is not None))
    h = _normed(layer.post_attention_layernorm, x, modulation[1])
    return x.add_(mlp.down_proj(silu(mlp.gate_proj(h), inplace=True).mul_(mlp.up_proj(h))))


def _attend(q: Tensor, k: Tensor, v: Tensor, layout: Layout, last_alone: bool) -> Tensor:
    """Attention within each sequence: q (M, heads, head_dim), k and v (N, heads, head_dim)."""
    mixed, begin, first = [], 0, 0
    for n, length, wanted in layout.blocks:
        asked = wanted if last_alone else length
        keys, values = (
            s[begin : begin + n * length].unflatten(0, (n, length)).transpose(1, 2) for s in (k, v)
        )
        queries = q[first : first + n * asked].unflatten(0, (n, asked)).transpose(1, 2)
        found = scaled_dot_product_attention(queries, keys, values)
        mixed.append(found.transpose(1, 2).flatten(0, 1))
        begin, first = begin + n * length, first + n * asked
    return (mixed[0] if len(mixed) == 1 else torch.cat(mixed)).flatten(1)
