"""MaskGCT's sizes, from the configurations that ship, hold as many parameters as were published."""

import pytest
import torch

from espnet2_ext.masked import maskgct


@pytest.mark.parametrize(
    ("name", "millions"), [("t2s", 746.4), ("s2a_1layer", 330.3), ("s2a_full", 353.4)]
)
def test_parameters_of_maskgct(name, millions):
    with torch.device("meta"):
        model = maskgct.new_model(maskgct.PUBLISHED[name])
    found = sum(p.numel() for p in model.parameters()) / 1e6
    assert round(found, 1) == millions
