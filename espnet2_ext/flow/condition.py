"""What the flow is conditioned on, joined: C on its clock, and one vector that modulates it.

The LM's tokens (Flow1), the score's pitch (Flow2) and the singer, as the paper has them; beyond it,
and off unless asked for, the score's phones and whatever else `conditions` has.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from espnet2_ext.checkpoint import know_old_names
from espnet2_ext.conditions.condition import FRAMES, SEQUENCE, VECTOR, Condition, Sizes, total
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
        c: C (B, F, channels).
        vector: (B, channels); None in an encoder without conditions of this kind.
    """

    c: Condition
    vector: Condition | None

    def dropped(self, where: Tensor) -> "Joined":
        """Each its learned null where `where` (B,) is true.

        Both go together: what is left would steer a velocity that guidance takes to be steered by
        nothing.
        """
        vector = None if self.vector is None else self.vector.dropped(where)
        return replace(self, c=self.c.dropped(where), vector=vector)


class JointCondition(nn.Module):
    """Conditions of a batch to C and a vector.

    It runs once per utterance, whatever the number of ODE steps.

    Args:
        geometry: Sizes of the tokens.
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
        attends = bool(self.encoders.of_kind(SEQUENCE))
        self.attention = CrossAttention(channels) if attends else None
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(channels, kernel_size, dropout=dropout) for _ in range(n_layers)
        )
        self.norm = nn.LayerNorm(channels)
        self.null = nn.Parameter(0.02 * torch.randn(channels))
        has_vector = bool(self.encoders.of_kind(VECTOR))
        self.null_vector = nn.Parameter(0.02 * torch.randn(channels)) if has_vector else None
        know_old_names(self, _OLD_NAMES)

    @property
    def vector_dim(self) -> int:
        """Size of the vector; 0 without."""
        return 0 if self.null_vector is None else self.channels

    def forward(self, batch: Batch, without: tuple[str, ...] = ()) -> Joined:
        """Join the conditions of a batch.

        Args:
            batch: What the conditions read. Where none of the vectors is there, the learned null
                stands in.
            without: Names of conditions to leave out, each by itself.
        """
        mask = batch.mask("codec_ssl")
        vector = None
        if self.null_vector is not None:
            vector = total(self.encoders.encode(VECTOR, batch, without))
            if vector is None:
                vector = self.null_vector.expand(batch.size, -1)
        h = total(self.encoders.encode(FRAMES, batch, without, vector=vector))
        if vector is not None:
            h = h + vector[:, None]
        for condition in self.encoders.encode(SEQUENCE, batch, without):
            h = self.attention(h, condition.value, condition.mask)
        for block in self.blocks:
            h = block(h, mask[..., None])
        c = Condition(FRAMES, self.norm(h), mask, self.null)
        if vector is not None:
            vector = Condition(VECTOR, vector, None, self.null_vector)
        return Joined(c, vector)
