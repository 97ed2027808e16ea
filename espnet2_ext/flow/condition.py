"""What the flow is conditioned on, joined: C on its clock, a vector that modulates it, and text.

The LM's tokens (Flow1), the score's pitch (Flow2) and the singer, as the paper has them; beyond it,
and off unless asked for, the score's phones and whatever else `conditions` has.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import BoolTensor, Tensor, nn

from espnet2_ext.checkpoint import know_old_names
from espnet2_ext.conditions.condition import (
    FRAMES,
    NULL,
    SEQUENCE,
    VECTOR,
    Condition,
    Sizes,
    end_to_end,
    together,
    total,
)
from espnet2_ext.conditions.pitch import PITCH_KINDS
from espnet2_ext.conditions.registry import ConditionSet
from espnet2_ext.data.batch import Batch
from espnet2_ext.flow.token_embedding import Geometry
from espnet2_ext.networks.attention import CrossAttention
from espnet2_ext.networks.convnext import ConvNeXtBlock

_OLD_NAMES = {
    "codec_in.": "encoders.tokens.codec_in.",
    "ssl.": "encoders.tokens.ssl.",
    "ssl_in.": "encoders.tokens.ssl_in.",
    "pitch_in.": "encoders.pitch.linear.",
    "prompt_net.": "encoders.prompt.",
    "phones.": "encoders.phones.",
}


@dataclass(frozen=True)
class Joined:
    """What steers a velocity.

    Args:
        c: C (B, F, channels); None without conditions on the clock, for a network with text.
        vector: (B, channels); None in an encoder without conditions of this kind.
        text: Sequences end to end (B, S, channels), for a network with a stream of text; None
            without sequences, or where C has them.
    """

    c: Condition | None
    vector: Condition | None
    text: Condition | None = None

    def dropped(self, where: Tensor, stand_in: str = NULL) -> "Joined":
        """Each left out where `where` (B,) is true (`Condition.dropped`).

        All go together: what is left would steer a velocity that guidance takes to be steered by
        nothing.
        """
        return self._each(lambda part: part.dropped(where, stand_in))

    def _each(self, change: Callable[[Condition], Condition]) -> "Joined":
        parts = (self.c, self.vector, self.text)
        return Joined(*(None if part is None else change(part) for part in parts))

    @staticmethod
    def together(several: Sequence["Joined"]) -> "Joined":
        """Of several batches as of one."""
        rows = zip(*((one.c, one.vector, one.text) for one in several), strict=True)
        return Joined(*(None if row[0] is None else together(row) for row in rows))


class JointCondition(nn.Module):
    """Conditions of a batch to C, a vector and text.

    It runs once per utterance, whatever the number of ODE steps.

    Args:
        geometry: Sizes of the tokens.
        text_stream: The velocity network has a stream for sequences; else C attends to them.
        attend: C attends to the sequences even where the network has a stream for them. What is on
            the clock, and a regression from it, then knows what they say.
        channels: Width.
        n_layers: ConvNeXt blocks.
        kernel_size: Of the blocks.
        ssl_dim: Size of the SSL embedding; 0 leaves the SSL stream out (the authors' way).
        pitch: "none" (Flow1), "rich" (Flow2: level, changes, rests) or "raw" (Flow2 as the
            authors: one linear layer over the MIDI number).
        prompt: Use a prompt of the singer.
        dropout: In the blocks.
        phones: Also the score's phones (this one, those beside it) and the place in phone and note.
            Not in the paper, whose flow never sees what is sung but through the tokens.
        more: Other conditions: name -> options.
        drop: Name of a condition -> probability, in training, of leaving out this one alone.
        tokens: Use the LM's tokens.
    """

    def __init__(
        self,
        geometry: Geometry,
        channels: int = 192,
        n_layers: int = 4,
        kernel_size: int = 7,
        ssl_dim: int = 64,
        pitch: str = "rich",
        prompt: bool = True,
        dropout: float = 0.0,
        phones: bool = False,
        more: Mapping[str, Any] | None = None,
        drop: Mapping[str, float] | None = None,
        tokens: bool = True,
        attend: bool = False,
        text_stream: bool = False,
    ) -> None:
        super().__init__()
        if pitch not in ("none", *PITCH_KINDS):
            raise ValueError(f"pitch {pitch!r} is none of none, {', '.join(PITCH_KINDS)}")
        wanted = {
            "tokens": {"ssl_dim": ssl_dim} if tokens else None,
            "pitch": None if pitch == "none" else {"features": pitch},
            "prompt": {} if prompt else None,
            "phones": {} if phones else None,
        }
        conf = {name: options for name, options in wanted.items() if options is not None}
        twice = sorted(conf.keys() & (more or {}).keys())
        if twice:
            raise ValueError(f"more: {twice[0]} has an option of its own")
        conf |= {name: dict(options or {}) for name, options in (more or {}).items()}
        for name, probability in (drop or {}).items():
            if name not in conf:
                raise ValueError(f"drop: {name} is none of {', '.join(conf)}")
            conf[name]["drop"] = probability
        sizes = Sizes(channels, geometry.sizes, geometry.embed_dim, geometry.n_phones)
        self.channels = channels
        self.encoders = ConditionSet(conf, sizes, "condition_conf")
        has = {kind: bool(self.encoders.of_kind(kind)) for kind in (FRAMES, SEQUENCE, VECTOR)}
        if has[SEQUENCE] and not has[FRAMES] and not text_stream:
            names = ", ".join(self.encoders.of_kind(SEQUENCE))
            raise ValueError(f"{names} without a condition on the clock: needs velocity mmdit")
        self.text_dim = channels if has[SEQUENCE] and text_stream else 0
        self.condition_dim = channels if has[FRAMES] or not text_stream else 0
        self.vector_dim = channels if has[VECTOR] else 0
        attends = has[SEQUENCE] and has[FRAMES] and (attend or not text_stream)
        self.attention = CrossAttention(channels) if attends else None
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(channels, kernel_size, dropout=dropout)
            for _ in range(n_layers if self.condition_dim else 0)
        )
        self.norm = nn.LayerNorm(channels) if self.condition_dim else None
        self.null = _null(self.condition_dim)
        self.null_vector = _null(self.vector_dim)
        self.null_text = _null(self.text_dim)
        know_old_names(self, _OLD_NAMES)

    def forward(
        self,
        batch: Batch,
        mask: BoolTensor,
        without: tuple[str, ...] = (),
        stand_in: str = NULL,
        known: dict[str, Condition] | None = None,
    ) -> Joined:
        """Join the conditions of a batch.

        Args:
            batch: What the conditions read. Where none of the vectors is there, the learned null
                stands in.
            mask: True on the frames that are generated (B, F).
            without: Names of conditions to leave out, each by itself.
            stand_in: What stands in their place, one of `STAND_INS`.
            known: Vectors and sequences of the batch that are encoded already, by their names; what
                is not there is added. (Frames may see the vectors, and are encoded anew.)
        """
        leave = {"without": without, "stand_in": stand_in}
        vector = text = None
        if self.vector_dim:
            vector = total(self.encoders.encode(VECTOR, batch, **leave, known=known))
            if vector is None:
                vector = self.null_vector.expand(batch.size, -1)
        sequences = self.encoders.encode(SEQUENCE, batch, **leave, known=known)
        if self.text_dim:
            text = Condition(SEQUENCE, *end_to_end(sequences), self.null_text)
        c = None
        if self.condition_dim:
            h = total(self.encoders.encode(FRAMES, batch, **leave, vector=vector))
            c = Condition(FRAMES, self._c(h, mask, vector, sequences), mask, self.null)
        if vector is not None:
            vector = Condition(VECTOR, vector, None, self.null_vector)
        return Joined(c, vector, text)

    def _c(
        self, h: Tensor | None, mask: BoolTensor, vector: Tensor | None, sequences: list[Condition]
    ) -> Tensor:
        """C (B, F, channels) of the sum of frames `h`, of the vector, and of what C attends to."""
        if h is None:
            h = self.null.new_zeros(*mask.shape, self.channels)
        if vector is not None:
            h = h + vector[:, None]
        for sequence in sequences if self.attention is not None else ():
            h = self.attention(h, sequence.value, sequence.mask)
        for block in self.blocks:
            h = block(h, mask[..., None])
        return self.norm(h)


def _null(dim: int) -> nn.Parameter | None:
    return nn.Parameter(0.02 * torch.randn(dim)) if dim else None
