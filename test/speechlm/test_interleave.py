import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet2_ext.speechlm.interleave import delay, undelay


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 12), st.integers(1, 9), st.integers(1, 3), st.integers(0, 99))
def test_undelay_inverts_delay(T, nq, B, seed):
    tokens = torch.randint(1, 50, (B, T, nq), generator=torch.Generator().manual_seed(seed))
    delayed = delay(tokens, pad=0)
    assert delayed.shape == (B, T + nq - 1, nq)
    assert torch.equal(undelay(delayed), tokens)
    assert (delayed == 0).sum() == B * nq * (nq - 1)


def test_stream_q_waits_q_positions():
    assert delay(torch.tensor([[1, 2], [3, 4]]), pad=0).tolist() == [[1, 0], [3, 2], [0, 4]]


def test_too_few_positions():
    with pytest.raises(ValueError, match="2 positions"):
        undelay(torch.zeros(2, 4))
