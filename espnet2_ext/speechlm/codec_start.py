"""Codes whose vectors start where the codec has them: what sounds alike starts alike.

To a language model codes are names without a meaning. On a small corpus of many singers most names
are met too seldom, in too few voices, to learn one; the codec's own embeddings bring it along.
"""

import torch
from torch import Tensor

from espnet2_ext.conditions.prompt import PooledPrompt
from espnet2_ext.speechlm.model import SpeechLM

_LEAST_STD = 0.05  # of a principal direction, against that of the first: weaker ones stay weak
_SSL_SCALE = 0.3  # of the SSL token in a prompt, which tells words from each other, not voices


@torch.no_grad()
def start_from_codec(model: SpeechLM, tables: Tensor, seed: int = 0) -> None:
    """Set what the codec's codes start from: inputs and outputs of the core LM, and the prompt.

    The embeddings are expressed in their principal directions, each divided by its standard
    deviation, since what tells voices and phones apart is small beside loudness.

    Args:
        model: An untrained speech LM; its first stream is the SSL token's, as always.
        tables: Codec embeddings by codebook and code (n_codebooks, K, D), each codebook's of mean
            0, for the streams that follow.
        seed: Of the rotation into the LM's dimensions.
    """
    white = _whitened(tables)
    lm = model.corelm
    rotation = _rotation(max(lm.d_model, white.size(-1)), seed)[: white.size(-1), : lm.d_model]
    rows = white @ rotation
    for codes, (start, end) in zip(rows, lm.stream_slices[1:], strict=True):
        for weight in {lm.emb.weight, lm.lm_head.weight}:
            weight[start:end] = codes / codes.std() * weight[start:end].std()
    prompt = model.prompt_encoder
    if isinstance(prompt, PooledPrompt):
        weight = prompt.embedding.weight
        n = min(white.size(-1), weight.size(1))
        n_ssl = len(weight) - white.size(0) * white.size(1)
        weight[:n_ssl] *= _SSL_SCALE
        weight[n_ssl:, :n] = white[..., :n].flatten(0, 1)


def _whitened(tables: Tensor) -> Tensor:
    """Tables in principal directions of about unit variance, the strongest first."""
    covariance = sum(codes.T @ codes / len(codes) for codes in tables.double())
    variances, directions = torch.linalg.eigh(covariance)
    std = variances.clamp_min(0).sqrt().flip(0)
    scaled = directions.flip(1) / std.clamp_min(_LEAST_STD * std[0])
    return (tables.double() @ scaled).float()


def _rotation(size: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.linalg.qr(torch.randn(size, size, generator=generator))[0]
