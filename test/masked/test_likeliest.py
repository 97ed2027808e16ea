"""The likeliest codes are those of a plain search."""

import pytest
import torch

from espnet2_ext.masked.likeliest import likeliest


@pytest.mark.parametrize(("codes", "k"), [(8192, 164), (1024, 21), (20, 6), (64, 2), (100, 2)])
def test_they_are_topk_s(codes, k):
    logits = torch.randn(50, codes, generator=torch.Generator().manual_seed(codes))
    values, indices = logits.topk(k)
    found = likeliest(logits, k)
    assert torch.equal(found[0], values) and torch.equal(found[1], indices)
