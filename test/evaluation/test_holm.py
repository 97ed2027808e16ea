"""Holm's correction, by hand."""

import pytest

from espnet2_ext.evaluation.holm import holm


def test_holm_by_hand():
    # sorted .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04, made to rise: .02 .03 .06 .06
    assert holm([0.01, 0.04, None, 0.03, 0.005]) == pytest.approx([0.03, 0.06, None, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1]
