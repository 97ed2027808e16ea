"""The score's phones, as a flow may see them beside its tokens."""

import torch
from torch import Tensor, nn

from espnet2_ext.conditions.condition import (
    FRAMES,
    ConditionEncoder,
    Sizes,
    register_condition,
    require,
)
from espnet2_ext.conditions.score_features import score_features
from espnet2_ext.data.batch import Batch


@register_condition("phones")
class PhoneCondition(ConditionEncoder):
    """The phone of each frame, those before and after it, and the place in phone and note.

    Args:
        sizes: With n_phones.
        drop: See `ConditionEncoder`.
    """

    kind, streams = FRAMES, ("score_frames",)

    def __init__(self, sizes: Sizes, drop: float = 0.0) -> None:
        super().__init__(sizes.width, drop, null=False)
        n_phones = require(sizes.n_phones, "phones", "the size of the phone set (n_phones)")
        self.phone = nn.Embedding(3 * (n_phones + 1), sizes.width)
        self.register_buffer("base", torch.arange(3) * (n_phones + 1), persistent=False)
        self.position = nn.Linear(10, sizes.width)
        nn.init.normal_(self.phone.weight, std=0.5)

    def encode(self, batch: Batch, vector: Tensor | None = None) -> tuple[Tensor, Tensor]:
        features = score_features(batch["score_frames"], batch.lengths("score_frames"))
        x = self.phone(features.phones + self.base).sum(2)
        return (x + self.position(features.position)) * features.mask[..., None], features.mask
