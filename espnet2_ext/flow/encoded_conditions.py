"""What the flow is conditioned on, encoded once for a batch; sampling steps and losses read it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import LongTensor, Tensor

from espnet2_ext.flow.condition import Joined


@dataclass(frozen=True)
class Conditions:
    """What sampling needs of a batch: what steers, the mask, and the base of the residual.

    `steering` and `pitch`, that of `OwnPitch`, enter the velocity; `drop` replaces them. `midi` and
    `base` do not enter it.
    """

    steering: Joined
    pitch: Joined | None
    mask: Tensor
    midi: LongTensor | None
    base: Tensor

    @staticmethod
    def together(several: Sequence["Conditions"]) -> "Conditions":
        """What steers the velocity, of several sets as of one batch; the rest is the last's."""
        last = several[-1]
        pitch = last.pitch and Joined.together([one.pitch for one in several])
        steering = Joined.together([one.steering for one in several])
        mask = torch.cat([one.mask for one in several])
        return replace(last, steering=steering, pitch=pitch, mask=mask)
