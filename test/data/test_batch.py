"""Batches of streams."""

import pytest
import torch

from espnet2_ext.data.batch import Batch
from espnet2_ext.errors import UserError


def test_rows_are_padded_and_masked():
    batch = Batch.of(mel=[torch.ones(3, 2), torch.ones(1, 2)], prompt=None)
    assert batch.names == ["mel"] and batch.size == 2 and "prompt" not in batch
    assert batch["mel"].shape == (2, 3, 2) and batch["mel"].sum() == 8
    assert batch.lengths("mel").tolist() == [3, 1]
    assert batch.mask("mel").tolist() == [[True] * 3, [True, False, False]]


def test_what_is_no_stream_is_left_aside_and_a_missing_one_is_named():
    batch = Batch({"mel": torch.ones(1, 3, 2), "mel_lengths": torch.tensor([3]), "utt_id": ["a"]})
    assert batch.names == ["mel"]
    with pytest.raises(UserError, match="data: f0: no such stream"):
        batch["f0"]
    assert batch.get("f0") is None


def test_a_stream_takes_the_place_of_another():
    batch = Batch.of(mel=[torch.ones(3, 2)], f0=[torch.ones(3)])
    changed = batch.having(mel=torch.zeros(1, 3, 2), f0=None)
    assert changed.names == ["mel"] and changed["mel"].sum() == 0
    assert changed.lengths("mel").tolist() == [3] and batch["mel"].sum() == 6


def test_rows_are_taken_in_any_order():
    batch = Batch.of(mel=[torch.ones(3, 2), torch.zeros(1, 2)], f0=[torch.ones(3), torch.ones(1)])
    some = batch.rows(torch.tensor([1, 0, 1]))
    assert some.size == 3 and some.names == ["mel", "f0"]
    assert some.lengths("mel").tolist() == [1, 3, 1] and some["mel"][:, 0, 0].tolist() == [0, 1, 0]
