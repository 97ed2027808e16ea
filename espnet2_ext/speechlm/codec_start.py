"""Codes whose vectors start where the codec has them (`networks.code_rows`)."""

import torch
from torch import Tensor

from espnet2_ext.conditions.prompt import PooledPrompt
from espnet2_ext.networks.code_rows import code_rows
from espnet2_ext.speechlm.model import SpeechLM


@torch.no_grad()
def start_from_codec(model: SpeechLM, tables: Tensor, seed: int = 0) -> None:
    """Set what the codec's codes start from: inputs and outputs of the core LM, and the prompt.

    Args:
        model: An untrained speech LM; its first stream is the SSL token's, as always.
        tables: Codec embeddings by codebook and code (n_codebooks, K, D), each codebook's of mean
            0, for the streams that follow.
        seed: Of the rotation into the LM's dimensions.
    """
    lm = model.corelm
    rows = code_rows(tables, lm.d_model, seed)
    for codes, (start, end) in zip(rows, lm.stream_slices[1:], strict=True):
        for weight in {lm.emb.weight, lm.lm_head.weight}:
            weight[start:end] = codes * weight[start:end].std()
    prompt = model.prompt_encoder
    if isinstance(prompt, PooledPrompt):
        prompt.start_from_codec(tables)
