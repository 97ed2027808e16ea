"""A codec's embedding, which is a sum over codebooks, as tables that need no codec beside them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import LongTensor, Tensor

from espnet2_ext.errors import UserError


def embedding_tables(codec: Any, place: str) -> tuple[Tensor, Tensor]:
    """Tables and offset of a codec of `Tokenizers`; see `probe_tables`."""
    return probe_tables(codec.embed, codec.n_codebooks, codec.codebook_size, place)


@torch.no_grad()
def probe_tables(
    embed: Callable[[LongTensor], Tensor], n_codebooks: int, codebook_size: int, place: str
) -> tuple[Tensor, Tensor]:
    """Tables of a codec whose embedding is a sum over codebooks, found by asking it.

    Args:
        embed: Codes (1, F, n_codebooks) to embeddings (1, F, D).
        n_codebooks: Codebooks.
        codebook_size: Codes of each.
        place: Name of the codec for the error.

    Returns:
        Tables (n_codebooks, codebook_size, D), each of mean 0, and the offset (D,): leaving a
        codebook out is the same as replacing its code by the codebook's mean.

    Raises:
        UserError: the embedding is not such a sum.
    """
    codes = torch.zeros(n_codebooks * codebook_size, n_codebooks, dtype=torch.long)
    for q in range(n_codebooks):
        rows = slice(q * codebook_size, (q + 1) * codebook_size)
        codes[rows, q] = torch.arange(codebook_size)
    offset = embed(torch.zeros(1, 1, n_codebooks, dtype=torch.long))[0, 0].double()
    tables = embed(codes[None])[0].double() - offset
    tables = tables.view(n_codebooks, codebook_size, -1)
    mean = tables.mean(1, keepdim=True)
    tables, offset = (tables - mean).float(), (offset + mean.sum(0)[0]).float()

    generator = torch.Generator().manual_seed(0)
    check = torch.randint(codebook_size, (64, n_codebooks), generator=generator)
    total = offset + sum(tables[q][check[:, q]] for q in range(n_codebooks))
    truth = embed(check[None])[0]
    if not torch.allclose(total, truth, rtol=1e-3, atol=1e-3 * truth.abs().max().item()):
        raise UserError(place, "an embedding that is no sum over codebooks", "a residual codec")
    return tables, offset
