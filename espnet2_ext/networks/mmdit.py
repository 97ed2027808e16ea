"""MM-DiT: a stream of audio and a stream of text, which see each other in joint blocks.

A joint block gives each stream weights of its own and lets both attend to [audio; text]. Single
blocks then work on the audio stream alone; a network of single blocks only is a DiT. What is padded
reaches nothing that is real, by attention or by convolution: a batch equals its utterances alone.

Source: Esser et al. 2024 (Stable Diffusion 3, arXiv 2403.03206), with convolutional feed-forward
layers and frames that modulate as in MMAudio (arXiv 2412.15322) and M3-TTS (arXiv 2512.04720).
InstructAudio (arXiv 2511.18487), S2M-Inject and UniSinger (arXiv 2606.07015) have 14 joint and 6
single blocks; of width 1024 these are the 1.34 B parameters that the first two state.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import BoolTensor, Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from espnet2_ext.networks.llama import Rotation, rotated
from espnet2_ext.networks.masked_conv import ConvFeedForward, MaskedConv1d
from espnet2_ext.networks.time_embedding import TimeEmbedding

ROPE_THETA = 10000.0
_EDGE_KERNEL = 7  # of the convolutions at both ends, where feed-forward layers are convolutional


@dataclass(frozen=True)
class BlockSize:
    """What all blocks of a network share.

    Args:
        width: D.
        heads: Of attention.
        kernel_size: Of the feed-forward layers and of the projection after attention.
        expansion: Width of the feed-forward layers over `width`.
        dropout: Of attention and feed-forward layers.
    """

    width: int
    heads: int
    kernel_size: int = 3
    expansion: int = 4
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} is not divisible by 2 x {self.heads} heads")


@dataclass(frozen=True)
class Place:
    """Where a stream stands: the same in all blocks of one evaluation.

    Args:
        modulator: What adaptive norms are linear in (B, T, D), or (B, 1, D) for all positions.
        mask: True on what is real (B, T, 1).
        rotation: Cosines and sines (1, 1, T, D / heads) of the positions, from 0.
    """

    modulator: Tensor
    mask: BoolTensor
    rotation: tuple[Tensor, Tensor]


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """x (B, T, D), normalised without weights, scaled and shifted (adaptive LayerNorm)."""
    return F.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift


def _modulation(width: int, n: int) -> nn.Linear:
    """The layer that gives n x D; with zeros, so that a block begins as the identity."""
    linear = nn.Linear(width, n * width)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear


class StreamPart(nn.Module):
    """A stream's part of a block: keys, values and queries before attention, the rest after it.

    Args:
        size: Of the block.
        keys_only: Give keys and values alone: nothing reads the stream after this block.
    """

    def __init__(self, size: BlockSize, keys_only: bool = False) -> None:
        super().__init__()
        self.size, self.keys_only = size, keys_only
        width = size.width
        self.modulation = _modulation(width, 2 if keys_only else 6)
        self.to_heads = nn.Linear(width, (2 if keys_only else 3) * width)
        self.k_norm = nn.RMSNorm(width // size.heads)
        if not keys_only:
            self.q_norm = nn.RMSNorm(width // size.heads)
            self.out = MaskedConv1d(width, width, size.kernel_size)
            self.feed_forward = ConvFeedForward(
                width, size.kernel_size, size.expansion, size.dropout
            )

    def before(self, x: Tensor, place: Place) -> tuple[list[Tensor], tuple[Tensor, ...]]:
        """Values, keys and, but for `keys_only`, queries (B, heads, T, D / heads) of x (B, T, D);
        and what `after` needs of the modulation."""
        shift, scale, *later = self.modulation(place.modulator).chunk(
            2 if self.keys_only else 6, -1
        )
        parts = self.to_heads(modulated(x, shift, scale)).chunk(2 if self.keys_only else 3, -1)
        v, k, *q = (part.unflatten(-1, (self.size.heads, -1)).transpose(1, 2) for part in parts)
        heads = [v, rotated(self.k_norm(k), *place.rotation).to(v.dtype)]
        heads += [rotated(self.q_norm(one), *place.rotation).to(v.dtype) for one in q]
        return heads, tuple(later)

    def after(self, x: Tensor, attended: Tensor, later: tuple[Tensor, ...], place: Place) -> Tensor:
        """The stream (B, T, D) with what attention found (B, heads, T, D / heads)."""
        gate, shift, scale, gate_forward = later
        x = x + gate * self.out(attended.transpose(1, 2).flatten(2), place.mask)
        return x + gate_forward * self.feed_forward(modulated(x, shift, scale), place.mask)


def _attend(part: StreamPart, q: Tensor, k: Tensor, v: Tensor, seen: BoolTensor | None) -> Tensor:
    dropout = part.size.dropout if part.training else 0.0
    return F.scaled_dot_product_attention(q, k, v, seen, dropout)


class SingleBlock(nn.Module):
    """A block of the audio stream alone."""

    def __init__(self, size: BlockSize) -> None:
        super().__init__()
        self.audio = StreamPart(size)

    def forward(self, x: Tensor, place: Place, seen: BoolTensor | None) -> Tensor:
        """x (B, T, D); seen (B, 1, 1, T) is true on real frames, None where all are."""
        (v, k, q), later = self.audio.before(x, place)
        return self.audio.after(x, _attend(self.audio, q, k, v, seen), later, place)


class JointBlock(nn.Module):
    """A block of both streams, with one attention over [audio; text].

    Args:
        size: Of both.
        last: The text stream gives keys and values alone, and ends here.
    """

    def __init__(self, size: BlockSize, last: bool = False) -> None:
        super().__init__()
        self.audio, self.text = StreamPart(size), StreamPart(size, keys_only=last)

    def forward(
        self, x: Tensor, text: Tensor, places: tuple[Place, Place], seen: BoolTensor | None
    ) -> tuple[Tensor, Tensor]:
        """x (B, T, D), text (B, S, D); seen (B, 1, 1, T + S), or None where all is real."""
        (v, k, q), later = self.audio.before(x, places[0])
        (text_v, text_k, *text_q), text_later = self.text.before(text, places[1])
        k, v, q = (torch.cat(pair, 2) for pair in ((k, text_k), (v, text_v), (q, *text_q)))
        attended = _attend(self.audio, q, k, v, seen)
        T = x.size(1)
        x = self.audio.after(x, attended[:, :, :T], later, places[0])
        if not self.text.keys_only:
            text = self.text.after(text, attended[:, :, T:], text_later, places[1])
        return x, text


def _wide(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width))


class MMDiT(nn.Module):
    """Velocity u_theta(x_t, t | frames, vector, text), on the clock of x.

    Args:
        data_dim: Channels of x.
        condition_dim: Channels of the frames that condition; 0 for none.
        vector_dim: Size of the vector that conditions; 0 for none.
        text_dim: Channels of the text stream; 0 without joint blocks.
        channels: Width D.
        n_joint: Joint blocks.
        n_single: Single blocks after them.
        n_heads: Attention heads.
        expansion: Width of the feed-forward layers over `channels`.
        kernel_size: Of the feed-forward layers and of the projection after attention; 1 makes them
            linear, with those at both ends of the network.
        modulate_frames: The frames that condition modulate every block of the audio stream, as in
            M3-TTS; else they are added to its input.
        checkpointing: Keep the blocks' inputs alone in training, and compute the rest again.
        dropout: Of attention and feed-forward layers.

    Attributes:
        takes_text: It has a stream for conditions that are sequences.

    Raises:
        ValueError: joint blocks without text, or text without joint blocks.
    """

    takes_text: ClassVar[bool] = True

    def __init__(
        self,
        data_dim: int,
        condition_dim: int,
        vector_dim: int = 0,
        text_dim: int = 0,
        channels: int = 1024,
        n_joint: int = 14,
        n_single: int = 6,
        n_heads: int = 16,
        expansion: int = 4,
        kernel_size: int = 3,
        modulate_frames: bool = True,
        checkpointing: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if bool(n_joint) != bool(text_dim):
            raise ValueError(f"{n_joint} joint blocks for {text_dim} channels of text")
        size = BlockSize(channels, n_heads, kernel_size, expansion, dropout)
        edge = _EDGE_KERNEL if kernel_size > 1 else 1
        self.checkpointing, self.modulate_frames = checkpointing, modulate_frames
        self.data_in = MaskedConv1d(data_dim, channels, edge)
        self.data_mlp = ConvFeedForward(channels, edge, expansion)
        self.text_in = nn.Linear(text_dim, channels) if text_dim else None
        self.condition_in = nn.Linear(condition_dim, channels) if condition_dim else None
        self.condition_mlp = _wide(channels) if condition_dim and modulate_frames else None
        self.time = TimeEmbedding(channels, channels // 2, 2 * channels)
        self.vector_in = nn.Linear(vector_dim, channels) if vector_dim else None
        self.vector_mlp = _wide(channels)
        self.joint = nn.ModuleList(JointBlock(size, k == n_joint - 1) for k in range(n_joint))
        self.single = nn.ModuleList(SingleBlock(size) for _ in range(n_single))
        self.rotation = Rotation(channels // n_heads, ROPE_THETA)
        self.modulation = _modulation(channels, 2)
        self.out = MaskedConv1d(channels, data_dim, edge)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(
        self,
        x_t: Tensor,
        t: Tensor,
        condition: Tensor | None,
        mask: BoolTensor,
        vector: Tensor | None = None,
        text: Tensor | None = None,
        text_mask: BoolTensor | None = None,
    ) -> Tensor:
        """Velocity at (x_t, t).

        Args:
            x_t: (B, T, data_dim).
            t: (B,) in [0, 1].
            condition: Frames (B, T, condition_dim), if the network has them.
            mask: True on real frames (B, T, 1).
            vector: (B, vector_dim), if the network has one.
            text: (B, S, text_dim), if the network has joint blocks; padded at the end.
            text_mask: True on what is real of it (B, S).

        Returns:
            (B, T, data_dim), zero on padding.
        """
        overall = self.time(t)
        if self.vector_in is not None and vector is not None:
            overall = overall + self.vector_in(vector)
        overall = self.vector_mlp(overall)[:, None]
        x = self.data_mlp(F.selu(self.data_in(x_t, mask)), mask)
        by_frame = overall
        if self.condition_in is not None:
            frames = self.condition_in(condition)
            if self.condition_mlp is None:
                x = x + frames
            else:
                by_frame = overall + self.condition_mlp(frames)
        overall, by_frame = F.silu(overall), F.silu(by_frame)
        audio = Place(by_frame, mask, self._rotation(x))
        if self.joint:
            text = self.text_in(text)
            places = audio, Place(overall, text_mask[..., None], self._rotation(text))
            seen = _seen(torch.cat([mask[..., 0], text_mask], 1))
            for block in self.joint:
                x, text = self._run(block, x, text, places, seen)
        seen = _seen(mask[..., 0])
        for block in self.single:
            x = self._run(block, x, audio, seen)
        x = modulated(x, *self.modulation(overall).chunk(2, -1))
        return self.out(x, mask) * mask.to(torch.float32)

    def _rotation(self, x: Tensor) -> tuple[Tensor, Tensor]:
        cos, sin = self.rotation(x, torch.arange(x.size(1), device=x.device)[None])
        return cos[:, None], sin[:, None]

    def _run(self, block: Callable[..., Any], *inputs: Any) -> Any:
        if self.checkpointing and self.training and torch.is_grad_enabled():
            return checkpoint(block, *inputs, use_reentrant=False)
        return block(*inputs)


def _seen(mask: BoolTensor) -> BoolTensor | None:
    """Keys (B, 1, 1, T) that attention sees; None, which has faster kernels, where it sees all."""
    return None if mask.all() else mask[:, None, None]
