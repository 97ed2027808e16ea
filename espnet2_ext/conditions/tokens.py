"""A speech LM's tokens: their codec embedding, frozen, and a learned one of the SSL stream."""

import torch
from torch import Tensor, nn

from espnet2_ext.conditions.condition import (
    FRAMES,
    ConditionEncoder,
    Sizes,
    register_condition,
    require,
)
from espnet2_ext.data.batch import Batch
from espnet2_ext.data.streams import DROPPED


@register_condition("tokens")
class TokenCondition(ConditionEncoder):
    """Codec embedding and SSL embedding, each through one layer, added.

    ``token_embedding`` (B, F, embed_dim) is what the generator's codec makes of ``codec_ssl``, or
    what a speech LM expects of it, normalised.

    Args:
        sizes: With embed_dim and codes.
        ssl_dim: Size of the SSL embedding; 0 leaves the SSL stream out (the authors' way).
        drop: See `ConditionEncoder`.
    """

    kind, streams = FRAMES, ("codec_ssl", "token_embedding")

    def __init__(self, sizes: Sizes, ssl_dim: int = 64, drop: float = 0.0) -> None:
        super().__init__(sizes.width, drop, null=False)
        embed_dim = require(sizes.embed_dim, "tokens", "a generator with a codec")
        self.codec_in = nn.Linear(embed_dim, sizes.width)
        self.ssl = nn.Embedding(sizes.codes[0] + 1, ssl_dim) if ssl_dim else None
        self.ssl_in = nn.Linear(ssl_dim, sizes.width) if ssl_dim else None

    def encode(self, batch: Batch, vector: Tensor | None = None) -> tuple[Tensor, Tensor]:
        h = self.codec_in(batch["token_embedding"])
        if self.ssl is not None:
            code = batch["codec_ssl"][..., 0]
            code = torch.where(code == DROPPED, self.ssl.num_embeddings - 1, code)
            h = h + self.ssl_in(self.ssl(code))
        return h, batch.mask("codec_ssl")
