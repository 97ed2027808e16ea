"""An instruction in natural language: how it is to sound.

Source: InstructAudio (arXiv 2511.18487), with the hidden states of a frozen Qwen2.5-7B.
"""

from torch import Tensor, nn

from espnet2_ext.conditions.condition import (
    SEQUENCE,
    VECTOR,
    ConditionEncoder,
    Sizes,
    register_condition,
)
from espnet2_ext.data.batch import Batch
from espnet2_ext.networks.symbol_encoder import SymbolEncoder


@register_condition("instruction")
class InstructionCondition(ConditionEncoder):
    """One layer over a frozen language model's hidden states, the stream ``instruction``.

    ``data instructions`` computes them, once for each distinct text.

    Args:
        sizes: Of the condition.
        dim: Of the states: 3584 of Qwen2.5-7B.
        drop: See `ConditionEncoder`.
    """

    kind, streams = SEQUENCE, ("instruction",)

    def __init__(self, sizes: Sizes, dim: int = 3584, drop: float = 0.1) -> None:
        super().__init__(sizes.width, drop)
        self.linear = nn.Linear(dim, sizes.width)

    def encode(self, batch: Batch, vector: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self.linear(batch["instruction"]), batch.mask("instruction")


@register_condition("instruction_pieces")
class InstructionPieces(ConditionEncoder):
    """A small encoder of SentencePiece ids, trained with the model: where no language model is.

    ``data instructions --pieces`` makes the ids.

    Args:
        sizes: Of the condition.
        n_symbols: Pieces.
        channels: Width inside.
        n_layers: See `SymbolEncoder`.
        n_heads: See `SymbolEncoder`.
        drop: See `ConditionEncoder`.
    """

    kind, streams = SEQUENCE, ("instruction_ids",)

    def __init__(
        self,
        sizes: Sizes,
        n_symbols: int = 1000,
        channels: int = 192,
        n_layers: int = 2,
        n_heads: int = 4,
        drop: float = 0.1,
    ) -> None:
        super().__init__(sizes.width, drop)
        self.encoder = SymbolEncoder(n_symbols, sizes.width, channels, n_layers, n_heads)

    def encode(self, batch: Batch, vector: Tensor | None = None) -> tuple[Tensor, Tensor]:
        mask = batch.mask("instruction_ids")
        return self.encoder(batch["instruction_ids"], mask), mask


@register_condition("instruction_summary")
class InstructionSummary(ConditionEncoder):
    """SentencePiece ids as one vector, which modulates: which pieces there are, in no order.

    It is quickly learnt, but cannot tell the speakers of a dialogue apart: `InstructionPieces`
    beside it can.

    Args:
        sizes: Of the condition.
        n_symbols: Pieces.
        channels: Width inside.
        drop: See `ConditionEncoder`.
    """

    kind, streams = VECTOR, ("instruction_ids",)

    def __init__(
        self, sizes: Sizes, n_symbols: int = 1000, channels: int = 192, drop: float = 0.1
    ) -> None:
        super().__init__(sizes.width, drop)
        self.symbol = nn.Embedding(n_symbols, channels)
        self.layers = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, channels),
            nn.GELU(),
            nn.Linear(channels, sizes.width),
        )

    def encode(self, batch: Batch, vector: Tensor | None = None) -> tuple[Tensor, None]:
        mask = batch.mask("instruction_ids")[..., None]
        total = (self.symbol(batch["instruction_ids"]) * mask).sum(1)
        return self.layers(total / mask.sum(1).clamp_min(1)), None
