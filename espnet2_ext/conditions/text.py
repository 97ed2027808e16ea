"""Text that a generator attends to: lyrics or an instruction, symbol by symbol."""

from torch import Tensor, nn

from espnet2_ext.conditions.condition import SEQUENCE, ConditionEncoder, Sizes, register_condition
from espnet2_ext.data.batch import Batch
from espnet2_ext.networks.convnext import ConvNeXtBlock


@register_condition("text")
class TextCondition(ConditionEncoder):
    """Embedded symbols, each with those around it.

    Args:
        sizes: Of the condition.
        n_symbols: Ids are below this.
        n_layers: ConvNeXt blocks.
        drop: See `ConditionEncoder`.
        null: See `ConditionEncoder`.
    """

    kind, streams = SEQUENCE, ("text_ids",)

    def __init__(
        self,
        sizes: Sizes,
        n_symbols: int = 256,
        n_layers: int = 1,
        drop: float = 0.1,
        null: bool = True,
    ) -> None:
        super().__init__(sizes.width, drop, null)
        self.symbol = nn.Embedding(n_symbols, sizes.width)
        self.blocks = nn.ModuleList(ConvNeXtBlock(sizes.width) for _ in range(n_layers))

    def encode(self, batch: Batch, vector: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x, mask = self.symbol(batch["text_ids"]), batch.mask("text_ids")
        for block in self.blocks:
            x = block(x, mask[..., None])
        return x, mask
