"""Which frames are masked again."""

from collections.abc import Sequence

import torch
from torch import LongTensor, Tensor


def places(counts: Sequence[int], device: torch.device) -> tuple[LongTensor, LongTensor]:
    """Row and column of each element of rows that have `counts` elements, one after another."""
    n = torch.tensor(counts)
    row = torch.repeat_interleave(torch.arange(len(n)), n)
    column = torch.arange(len(row)) - (n.cumsum(0) - n)[row]
    return row.to(device), column.to(device)


def least_sure(
    sure: Tensor, masked: LongTensor, now: Sequence[int], then: Sequence[int]
) -> LongTensor:
    """The frames that stay masked: those of each utterance that are least sure, in order.

    Args:
        sure: Of each masked frame (M,).
        masked: Their places (M,), rising; utterance by utterance.
        now: How many frames each utterance has among them.
        then: How many stay masked.
    """
    device = sure.device
    row, column = places(now, device)
    laid = sure.new_full((len(now), max(now)), torch.inf)
    laid[row, column] = sure
    where = masked.new_zeros(laid.shape)
    where[row, column] = masked
    least = laid.argsort(1)[:, : max(then)]
    kept = where.gather(1, least)
    over = torch.arange(kept.size(1), device=device) >= torch.tensor(then, device=device)[:, None]
    kept = kept.masked_fill(over, torch.iinfo(kept.dtype).max).sort(1).values
    return kept[places(then, device)]
