"""What steers a masked generator: the sum of conditions on its clock, and a prefix."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import BoolTensor, Tensor

from espnet2_ext.conditions.condition import FRAMES, SEQUENCE, VECTOR, Condition, total
from espnet2_ext.conditions.registry import ConditionSet
from espnet2_ext.data.batch import Batch


@dataclass(frozen=True)
class Steering:
    """Conditions of a batch, joined.

    Args:
        frames: Added on the clock of the tokens (B, L, d); None: nothing is.
        prefix: What stands before the tokens (B, S, d); None: nothing does.
        prefix_mask: True on what of the prefix is real (B, S).
    """

    frames: Tensor | None = None
    prefix: Tensor | None = None
    prefix_mask: BoolTensor | None = None

    @classmethod
    def of(cls, conditions: Sequence[Condition]) -> "Steering":
        """Join conditions: frames and vectors are added; sequences follow each other."""
        kinds = {kind: [c for c in conditions if c.kind == kind] for kind in (FRAMES, SEQUENCE)}
        frames = total(kinds[FRAMES])
        vector = total([c for c in conditions if c.kind == VECTOR])
        if vector is not None:
            frames = vector[:, None] if frames is None else frames + vector[:, None]
        if not kinds[SEQUENCE]:
            return cls(frames)
        prefix = torch.cat([c.value for c in kinds[SEQUENCE]], 1)
        return cls(frames, prefix, torch.cat([c.mask for c in kinds[SEQUENCE]], 1))

    def behind(self, tokens: Tensor, size: int) -> "Steering":
        """The prefix begins with `tokens` (V, d), the same for all of `size` utterances."""
        prefix = tokens.expand(size, -1, -1)
        mask = torch.ones(prefix.shape[:2], dtype=torch.bool, device=tokens.device)
        if self.prefix is not None:
            prefix = torch.cat([prefix, self.prefix], 1)
            mask = torch.cat([mask, self.prefix_mask], 1)
        return replace(self, prefix=prefix, prefix_mask=mask)

    def without_prefix(self, where: Tensor) -> "Steering":
        """No prefix where `where` (B,) is true."""
        if self.prefix is None:
            return self
        return replace(self, prefix_mask=self.prefix_mask & ~where[:, None])


def steer(encoders: ConditionSet, batch: Batch, without: Sequence[str] = ()) -> Steering:
    """Encode the conditions of a batch, some of them left out, and join them."""
    without = tuple(without)
    found = [
        c for kind in (FRAMES, SEQUENCE, VECTOR) for c in encoders.encode(kind, batch, without)
    ]
    return Steering.of(found)
