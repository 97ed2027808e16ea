from typing import ClassVar

import pytest
import torch
from torch import nn

from espnet2_ext.checkpoint import (
    build_strict,
    load_state,
    load_strict,
    save_safetensors,
    save_torch,
)
from espnet2_ext.errors import UserError


def test_round_trip_both_formats(tmp_path):
    model = nn.Linear(3, 2)
    save_safetensors(model.state_dict(), tmp_path / "m.safetensors")
    torch.save(model.state_dict(), tmp_path / "m.pth")
    for name in ("m.safetensors", "m.pth"):
        other = load_strict(nn.Linear(3, 2), load_state(tmp_path / name), name)
        assert torch.equal(other.weight, model.weight)


def test_equal_values_make_equal_files(tmp_path):
    state = nn.Linear(3, 2).state_dict()
    for name in ("a.pth", "b.pth"):
        save_torch(state, tmp_path / name)
    assert (tmp_path / "a.pth").read_bytes() == (tmp_path / "b.pth").read_bytes()
    with pytest.raises(AttributeError):
        save_torch({"x": lambda: 0}, tmp_path / "a.pth")
    assert load_state(tmp_path / "a.pth").keys() == state.keys()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pth", "b.pth"]


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


class Wide(nn.Module):
    """A model whose width and depth come from a configuration."""

    built: ClassVar[list] = []

    def __init__(self, width: int, depth: int = 1) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        Wide.built.append(width)


def test_a_configuration_asks_for_no_more_memory_than_its_weights():
    state = Wide(8).state_dict()
    Wide.built.clear()
    model = build_strict(lambda: Wide(8), state, "c.yaml", "w")
    assert torch.equal(model.layers[0].weight, state["layers.0.weight"])
    Wide.built.clear()
    for width, depth in ((8 * 4000, 1), (8 * 4_000_000, 1), (8, 10**12)):
        with pytest.raises(UserError, match=r"c\.yaml: a larger model \(expected that of its wei"):
            build_strict(lambda w=width, d=depth: Wide(w, d), state, "c.yaml", "w")
    with pytest.raises(UserError, match=r"w: layers.0.weight: shape \(8, 8\) \(expected \(16"):
        build_strict(lambda: Wide(16), state, "c.yaml", "w")
    assert len(Wide.built) == 1  # of the last, whose shapes only differ


def test_whatever_a_foreign_value_makes_a_constructor_raise_is_one_line():
    state = Wide(8).state_dict()
    for width in (-1, "8", None, 2**70):
        with pytest.raises(UserError, match=r"c\.yaml: ") as caught:
            build_strict(lambda w=width: Wide(w), state, "c.yaml", "w")
        assert "\n" not in str(caught.value)
