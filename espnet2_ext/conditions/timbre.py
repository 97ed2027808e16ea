"""A voice, as a vector that a speaker or singer embedder gave."""

from torch import Tensor, nn

from espnet2_ext.conditions.condition import VECTOR, ConditionEncoder, Sizes, register_condition
from espnet2_ext.data.batch import Batch


@register_condition("timbre")
class TimbreCondition(ConditionEncoder):
    """One layer over the embedding.

    Args:
        sizes: Of the condition.
        dim: Of the embedding.
        drop: See `ConditionEncoder`.
    """

    kind, streams = VECTOR, ("timbre",)

    def __init__(self, sizes: Sizes, dim: int = 192, drop: float = 0.1) -> None:
        super().__init__(sizes.width, drop)
        self.linear = nn.Linear(dim, sizes.width)

    def encode(self, batch: Batch, vector: Tensor | None = None) -> tuple[Tensor, None]:
        return self.linear(batch["timbre"]), None
