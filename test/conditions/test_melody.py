"""The melody as an embedding, with a pitch that is unknown."""

import pytest
import torch

from espnet2_ext.conditions.condition import Sizes
from espnet2_ext.conditions.melody import MelodyCondition
from espnet2_ext.data.batch import Batch
from espnet2_ext.data.streams import DROPPED
from espnet2_ext.errors import UserError


def batch(*midi: int) -> Batch:
    rows = torch.tensor([[3, m, 5, 6] for m in midi])
    return Batch.of(score_frames=[rows])


def test_a_frame_is_its_midi_numbers_row_and_else_unknown():
    encoder = MelodyCondition(Sizes(width=4)).eval()
    value = encoder(batch(0, 60, DROPPED, 127)).value[0]
    assert torch.equal(value, encoder.pitch.weight[[0, 60, 128, 127]])
    assert torch.equal(value[2], encoder.stand_in)
    assert len(list(encoder.parameters())) == 1


def test_dropped_it_is_unknown():
    encoder = MelodyCondition(Sizes(width=4), drop=1.0).train()
    assert (encoder(batch(60, 61)).value == encoder.stand_in).all()


def test_a_zero_start_adds_nothing_and_learns():
    encoder = MelodyCondition(Sizes(width=4), zero_start=True)
    value = encoder(batch(60, DROPPED)).value
    assert not value.any()
    value.sum().backward()
    assert encoder.pitch.weight.grad[60].all() and encoder.pitch.weight.grad[128].all()


def test_a_number_that_is_none_is_refused():
    with pytest.raises(UserError, match="data: score_frames: midi 128 .expected at most 127"):
        MelodyCondition(Sizes(width=4))(batch(60, 128))
