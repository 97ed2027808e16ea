import pytest
import torch
from torch import nn

from espnet2_ext.checkpoint import load_state, load_strict, save_safetensors
from espnet2_ext.errors import UserError


def test_round_trip_both_formats(tmp_path):
    model = nn.Linear(3, 2)
    save_safetensors(model.state_dict(), tmp_path / "m.safetensors")
    torch.save(model.state_dict(), tmp_path / "m.pth")
    for name in ("m.safetensors", "m.pth"):
        other = load_strict(nn.Linear(3, 2), load_state(tmp_path / name), name)
        assert torch.equal(other.weight, model.weight)


def test_every_mismatch_is_named():
    state = nn.Linear(3, 2).state_dict()
    with pytest.raises(UserError, match="m: missing parameter bias"):
        load_strict(nn.Linear(3, 2), {"weight": state["weight"]}, "m")
    with pytest.raises(UserError, match="unknown parameter x"):
        load_strict(nn.Linear(3, 2), state | {"x": torch.ones(1)}, "m")
    with pytest.raises(UserError, match=r"m: weight: shape \(2, 3\) .expected \(2, 4\)"):
        load_strict(nn.Linear(4, 2), state, "m")


def test_pickles_and_broken_files_are_refused(tmp_path):
    torch.save({"x": torch.nn.Linear(1, 1)}, tmp_path / "pickle.pth")
    (tmp_path / "cut.safetensors").write_bytes(b"\x40\0\0\0")
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04")
    for name in ("pickle.pth", "cut.safetensors", "cut.pth", "none.pth"):
        with pytest.raises(UserError, match=name):
            load_state(tmp_path / name)


def test_what_was_read_outlives_its_file(tmp_path):
    """A mapped file that somebody writes over kills its reader: only large ones are mapped."""
    path = tmp_path / "model.pth"
    torch.save({"a": torch.arange(5000.0), "b": torch.ones(3)}, path)
    state = load_state(path)
    torch.save({"b": state["b"]}, path)
    assert state["a"].sum() == 4999 * 2500 and list(load_state(path)) == ["b"]
