"""A singer, as one vector of another utterance's tokens: a flow's prompt and a speech LM's."""

import torch
from torch import BoolTensor, Tensor, nn

from espnet2_ext.conditions.condition import (
    VECTOR,
    ConditionEncoder,
    Sizes,
    register_condition,
    require,
)
from espnet2_ext.data.batch import Batch
from espnet2_ext.networks.code_rows import whitened

_SSL_SCALE = 0.3  # of the SSL token in a prompt, which tells words from each other, not voices


class _Prompt(ConditionEncoder):
    kind, optional = VECTOR, True

    def absent(self, batch: Batch) -> BoolTensor | None:
        return None if self.stand_in is None else batch.lengths("prompt") == 0


@register_condition("prompt")
class MeanPrompt(_Prompt):
    """A mean over the prompt's codec embeddings, each through a small network.

    ``prompt_embedding`` (B, P, embed_dim) is what the generator's codec makes of ``prompt``,
    normalised.

    Args:
        sizes: With embed_dim.
        drop: See `ConditionEncoder`.
    """

    streams = ("prompt", "prompt_embedding")

    def __init__(self, sizes: Sizes, drop: float = 0.0) -> None:
        super().__init__(sizes.width, drop, null=False)
        embed_dim = require(sizes.embed_dim, "prompt", "a generator with a codec")
        self.frame = nn.Sequential(
            nn.Linear(embed_dim, sizes.width), nn.GELU(), nn.Linear(sizes.width, sizes.width)
        )
        self.out = nn.Linear(sizes.width, sizes.width)

    def encode(self, batch: Batch, vector: Tensor | None = None) -> tuple[Tensor, None]:
        embedding = batch["prompt_embedding"]
        real = batch.mask("prompt")[..., None].to(embedding.dtype)
        total = (self.frame(embedding) * real).sum(1) / real.sum(1).clamp_min(1.0)
        return self.out(total), None


@register_condition("pooled_prompt")
class PooledPrompt(_Prompt):
    """Embed the prompt's local codes, pool over its frames, and project.

    Args:
        sizes: With codes.
        channels: Width inside.
        pooling: ``attention`` or ``mean``.
        dropout: Probability of training without the prompt, so that none can be given.
    """

    streams = ("prompt",)

    def __init__(
        self,
        sizes: Sizes,
        channels: int = 64,
        pooling: str = "attention",
        dropout: float = 0.05,
    ) -> None:
        super().__init__(sizes.width, null=False)
        self.dropout = dropout
        if pooling not in ("attention", "mean"):
            raise ValueError(f"pooling {pooling!r} is neither 'attention' nor 'mean'")
        self.embedding = nn.Embedding(sum(sizes.codes), channels)
        codes = torch.tensor(sizes.codes)
        self.register_buffer("base", torch.cumsum(codes, 0) - codes, persistent=False)
        self.frame = nn.Sequential(
            nn.LayerNorm(channels), nn.Linear(channels, 2 * channels), nn.GELU()
        )
        self.score = nn.Linear(2 * channels, 1) if pooling == "attention" else None
        self.out = nn.Linear(2 * channels, sizes.width)
        self.nobody = nn.Parameter(torch.zeros(sizes.width))

    @torch.no_grad()
    def start_from_codec(self, tables: Tensor) -> None:
        """Set what the codes of an untrained model start from: voices that sound alike are alike.

        Args:
            tables: Codec embeddings by codebook and code (n_codebooks, K, D), each codebook's of
                mean 0, for the streams behind the SSL token.
        """
        white, weight = whitened(tables), self.embedding.weight
        n = min(white.size(-1), weight.size(1))
        n_ssl = len(weight) - white.size(0) * white.size(1)
        weight[:n_ssl] *= _SSL_SCALE
        weight[n_ssl:, :n] = white[..., :n].flatten(0, 1)

    @property
    def stand_in(self) -> Tensor:
        return self.nobody

    def encode(self, batch: Batch, vector: Tensor | None = None) -> tuple[Tensor, None]:
        x = self.frame(self.embedding(batch["prompt"] + self.base).sum(2))
        mask = batch.mask("prompt")
        weight = x.new_zeros(mask.shape) if self.score is None else self.score(x).squeeze(-1)
        weight = weight.float().masked_fill(~mask, -1e4).softmax(-1).to(x.dtype)
        return self.out((weight[..., None] * x).sum(1)), None
