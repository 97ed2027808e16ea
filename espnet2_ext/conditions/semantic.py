"""Semantic tokens: what is sung, as the codes of self-supervised features say it."""

from torch import Tensor, nn

from espnet2_ext.conditions.condition import (
    FRAMES,
    ConditionEncoder,
    Sizes,
    register_condition,
    require,
)
from espnet2_ext.data.batch import Batch


@register_condition("semantic")
class SemanticCondition(ConditionEncoder):
    """Embedded SSL codes, the first stream of ``codec_ssl``.

    Args:
        sizes: With codes.
        drop: See `ConditionEncoder`.
    """

    kind, streams = FRAMES, ("codec_ssl",)

    def __init__(self, sizes: Sizes, drop: float = 0.0) -> None:
        super().__init__(sizes.width, drop, null=False)
        n_codes = require(sizes.codes[0] if sizes.codes else 0, "semantic", "the number of codes")
        self.code = nn.Embedding(n_codes, sizes.width)
        nn.init.normal_(self.code.weight)  # of the size that a score's embeddings have

    def encode(self, batch: Batch, vector: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.code(batch["codec_ssl"][..., 0]), batch.mask("codec_ssl")
