"""A `BidirectionalLlama` over sequences that lie end to end: nothing is computed for padding.

Only the last positions of a sequence are asked for, so the last block computes no others. The
sequences of a call share one time, so norms' weights are vectors, and those of all times are
computed at once. Queries' and keys' channels stand in another order, so that a rotation is one
complex multiplication; attention does not see the order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import LongTensor, Tensor, nn
from torch.nn.functional import linear, rms_norm, scaled_dot_product_attention, silu
from torch.nn.utils.rnn import pad_sequence

from espnet2_ext.networks.bidirectional import BidirectionalLlama

CPU_POSITIONS = 1024  # that go through all blocks together: what the caches hold


@dataclass(frozen=True)
class Part:
    """Sequences that go through the network together.

    Args:
        lengths: Of each sequence.
        wanted: How many of its last positions are asked for.
        places: Of the positions that are asked for; None: all are.
        turn: cos + i sin of every position and frequency (N, 1, head_dim / 2).
    """

    lengths: tuple[int, ...]
    wanted: tuple[int, ...]
    places: LongTensor | None
    turn: Tensor


@dataclass(frozen=True)
class _Block:
    qkv: Tensor
    o: Tensor
    gate: Tensor
    up: Tensor
    down: Tensor


class PackedLlama:
    """Computes what the network computes, in evaluation.

    Args:
        network: Whose weights are used; adapters are merged into a copy.
        dtype: Of the products; None: the weights' own. What blocks add to keeps its type.
    """

    def __init__(self, network: BidirectionalLlama, dtype: torch.dtype | None = None) -> None:
        self.network, first = network, network.layers[0].self_attn
        self.head_dim, self.eps = first.head_dim, network.norm.eps
        self.device = network.norm.to_weight.weight.device
        self._blocks = []
        for layer in network.layers:
            attention, mlp = layer.self_attn, layer.mlp
            q, k, v, *others = (
                _weight(project, dtype)
                for project in (
                    attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj,
                    mlp.gate_proj, mlp.up_proj, mlp.down_proj,
                )
            )  # fmt: skip
            heads = (-1, self.head_dim)
            pairs = torch.arange(self.head_dim, device=self.device).view(2, -1).T.flatten()
            q, k = (weight.unflatten(0, heads)[:, pairs].flatten(0, 1) for weight in (q, k))
            self._blocks.append(_Block(torch.cat([q, k, v]), *others))

    def layout(self, lengths: Sequence[int], wanted: Sequence[int]) -> list[Part]:
        """Of sequences of these lengths, whose last `wanted` positions are asked for.

        Sequences are few enough to a part for the caches of a CPU; on a GPU they are one part.
        """
        parts, begin = [], 0
        for i in range(len(lengths)):
            last = i + 1 == len(lengths)
            with_next = sum(lengths[begin : i + 2])
            if last or (self.device.type == "cpu" and with_next > CPU_POSITIONS):
                parts.append(self._part(lengths[begin : i + 1], wanted[begin : i + 1]))
                begin = i + 1
        return parts

    def _part(self, lengths: Sequence[int], wanted: Sequence[int]) -> Part:
        positions = torch.cat([torch.arange(n) for n in lengths]).float().to(self.device)
        angles = positions[:, None] * self.network.rotation.inv_freq.to(self.device, torch.float)
        places = None
        if list(lengths) != list(wanted):
            ends = torch.tensor(lengths).cumsum(0).tolist()
            spans = [torch.arange(e - n, e) for e, n in zip(ends, wanted, strict=True)]
            places = torch.cat(spans).to(self.device)
        turn = torch.polar(torch.ones_like(angles), angles)[:, None]
        return Part(tuple(lengths), tuple(wanted), places, turn)

    def modulation(self, t: Tensor) -> Tensor:
        """Weights of all norms at times t (steps,): (steps, 2 x blocks + 1, d)."""
        vector, network = self.network.time_vector(t), self.network
        norms = [
            norm
            for layer in network.layers
            for norm in (layer.input_layernorm, layer.post_attention_layernorm)
        ]
        return torch.stack([norm.to_weight(vector) for norm in (*norms, network.norm)], 1)

    def __call__(self, x: Tensor, modulation: Tensor, layout: Sequence[Part]) -> Tensor:
        """Hidden states of what is asked for (sum of `wanted`, d).

        Args:
            x: Embeddings (N, d), what conditions them added; sequences end to end.
            modulation: Of the norms at the sequences' time (2 x blocks + 1, d).
            layout: Of the sequences.
        """
        parts = x.split([sum(part.lengths) for part in layout])
        hidden = [self._hidden(y, modulation, p) for y, p in zip(parts, layout, strict=True)]
        return hidden[0] if len(hidden) == 1 else torch.cat(hidden)

    def _hidden(self, x: Tensor, modulation: Tensor, part: Part) -> Tensor:
        for i, block in enumerate(self._blocks):
            last = i == len(self._blocks) - 1
            places = part.places if last else None
            x = self._attended(block, x, modulation[2 * i], part, places)
            h = self._normed(x, modulation[2 * i + 1]).to(block.up.dtype)
            h = silu(linear(h, block.gate), inplace=True).mul_(linear(h, block.up))
            x += linear(h, block.down)
        return self._normed(x, modulation[-1])

    def _normed(self, x: Tensor, weight: Tensor) -> Tensor:
        if x.is_cuda:
            return rms_norm(x, (x.size(-1),), weight, self.eps)
        scale = torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.size(-1))
        return (x * scale.add_(self.eps).rsqrt_()).mul_(weight)

    def _attended(
        self, block: _Block, x: Tensor, weight: Tensor, part: Part, places: LongTensor | None
    ) -> Tensor:
        """x and what attention adds to it, where it is asked for."""
        d, h = x.size(-1), self._normed(x, weight).to(block.qkv.dtype)
        if places is None:
            q, k, v = linear(h, block.qkv).split(d, -1)
            q, k = (self._turned(states, part.turn) for states in (q, k))
        else:
            k, v = linear(h, block.qkv[d:]).split(d, -1)
            k, x = self._turned(k, part.turn), x[places]
            q = self._turned(linear(h[places], block.qkv[:d]), part.turn[places])
        v = v.unflatten(-1, (-1, self.head_dim))
        return x + linear(_attend(q, k, v, part, places is not None), block.o)

    def _turned(self, states: Tensor, turn: Tensor) -> Tensor:
        """Queries or keys (M, d) rotated: (M, heads, head_dim)."""
        pairs = states.float().unflatten(-1, (-1, self.head_dim // 2, 2))
        turned = torch.view_as_real(torch.view_as_complex(pairs) * turn)
        return turned.flatten(-2).to(states.dtype)


def _weight(project: nn.Module, dtype: torch.dtype | None) -> Tensor:
    """Of a linear layer without bias, its adapters merged (out, in)."""
    if type(project) is nn.Linear:
        return project.weight if dtype is None else project.weight.to(dtype)
    some = next(project.parameters())
    one = torch.eye(project.in_features, dtype=some.dtype, device=some.device)
    return project(one).T.contiguous().to(some.dtype if dtype is None else dtype)


def _attend(q: Tensor, k: Tensor, v: Tensor, part: Part, last_alone: bool) -> Tensor:
    """Attention within each sequence: q (M, heads, head_dim), k and v (N, heads, head_dim)."""
    lengths, asked = part.lengths, part.wanted if last_alone else part.lengths
    if q.is_cuda and len(set(zip(lengths, asked, strict=True))) > 1:
        return _attend_padded(q, k, v, lengths, asked)
    mixed, begin, first = [], 0, 0
    for (length, n_asked), same in groupby(zip(lengths, asked, strict=True)):
        n = len(list(same))
        keys, values = (
            s[begin : begin + n * length].unflatten(0, (n, length)).transpose(1, 2) for s in (k, v)
        )
        queries = q[first : first + n * n_asked].unflatten(0, (n, n_asked)).transpose(1, 2)
        found = scaled_dot_product_attention(queries, keys, values)
        mixed.append(found.transpose(1, 2).flatten(0, 1))
        begin, first = begin + n * length, first + n * n_asked
    return (mixed[0] if len(mixed) == 1 else torch.cat(mixed)).flatten(1)


def _attend_padded(
    q: Tensor, k: Tensor, v: Tensor, lengths: Sequence[int], asked: Sequence[int]
) -> Tensor:
    """The same in one call, as a GPU wants it."""
    q, k, v = (
        pad_sequence(states.split(list(sizes)), batch_first=True).transpose(1, 2)
        for states, sizes in ((q, asked), (k, lengths), (v, lengths))
    )
    keys, queries = (
        torch.arange(max(sizes)) < torch.tensor(sizes)[:, None] for sizes in (lengths, asked)
    )
    seen = keys[:, None, None].to(q.device, non_blocking=True)
    mixed = scaled_dot_product_attention(q, k, v, seen).transpose(1, 2)
    return mixed[queries.to(q.device, non_blocking=True)].flatten(1)
