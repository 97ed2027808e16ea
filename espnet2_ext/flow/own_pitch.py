"""F0 and voicing by networks of their own, which see score and singer but not the tokens.

Ground-truth tokens tell the contour of one take, down to its vibrato. A speech LM's do not: they
are its mean over takes, and a flow that trusts them sings a flat line. What only the score and the
singer steer is drawn as takes differ.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from espnet2_ext.data.batch import Batch
from espnet2_ext.flow.condition import Joined, JointCondition
from espnet2_ext.flow.convnext import ConvNeXtVelocity
from espnet2_ext.flow.token_embedding import Geometry


@dataclass(frozen=True)
class OwnPitchConfig:
    """Sizes of `OwnPitch`.

    Args:
        channels: Width of both networks.
        n_layers: ConvNeXt blocks of each.
        kernel_size: Of the blocks (token frames).
        prompt: Use a prompt of the singer.
    """

    channels: int = 128
    n_layers: int = 4
    kernel_size: int = 9
    prompt: bool = True


class OwnPitch(nn.Module):
    """What the pitch channels are conditioned on, their regression and their velocity.

    Args:
        geometry: Sizes of the tokens (of the prompt).
        config: Sizes of the networks.
        pitch_dim: Channels of F0 and voicing.
    """

    def __init__(self, geometry: Geometry, config: OwnPitchConfig, pitch_dim: int) -> None:
        super().__init__()
        size = {"n_layers": config.n_layers, "kernel_size": config.kernel_size}
        self.condition = JointCondition(
            geometry, config.channels, tokens=False, phones=True, prompt=config.prompt, **size
        )
        vector_dim = self.condition.vector_dim
        self.velocity = ConvNeXtVelocity(
            pitch_dim, config.channels, vector_dim, config.channels, **size
        )
        self.base = nn.Linear(config.channels, pitch_dim)

    def encode(self, batch: Batch, mask: Tensor, without: tuple[str, ...], stand_in: str) -> Joined:
        """Conditions of a batch; names in `without` that these networks do not have say nothing."""
        own = tuple(name for name in without if name in self.condition.encoders)
        return self.condition(batch, mask, own, stand_in)

    def forward(self, x_t: Tensor, t: Tensor, steering: Joined, mask: Tensor) -> Tensor:
        """Velocity (B, F, pitch_dim) of the pitch channels at x_t (B, F, pitch_dim), t (B,)."""
        vector = None if steering.vector is None else steering.vector.value
        return self.velocity(x_t, t, steering.c.value, mask, vector)


def joined(spectral: Tensor, pitch: Tensor) -> Tensor:
    """All channels (B, F, dim), of which the last are `pitch`'s and not those of `spectral`."""
    return torch.cat([spectral[..., : spectral.size(-1) - pitch.size(-1)], pitch], -1)
