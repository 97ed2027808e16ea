"""One ConvNeXt block, convolving in either of two ways; weights of older versions."""

import pytest
import torch

from espnet2_ext.checkpoint import load_strict
from espnet2_ext.errors import UserError
from espnet2_ext.networks.convnext import ConvNeXt, ConvNeXtBlock

OLD = {"conv": "depthwise", "expand": "wide", "contract": "narrow", "gate": "scale"}


def old_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of a network as vocoders once saved them."""
    return {".".join(OLD.get(part, part) for part in k.split(".")): v for k, v in state.items()}


@pytest.mark.parametrize("shifts", [True, False])
@pytest.mark.parametrize("dilation", [1, 2])
def test_padding_changes_nothing(shifts: bool, dilation: int) -> None:
    torch.manual_seed(0)
    block = ConvNeXtBlock(4, 5, dilation=dilation, shifts=shifts)
    x = torch.randn(2, 9, 4)
    mask = torch.arange(9)[None, :, None] < torch.tensor([9, 6])[:, None, None]
    batched, alone = block(x, mask), block(x[1:, :6])
    torch.testing.assert_close(batched[1:, :6], alone)


def test_both_ways_of_convolving_are_one_function() -> None:
    torch.manual_seed(0)
    shifts, conv1d = ConvNeXtBlock(4, 5), ConvNeXtBlock(4, 5, shifts=False)
    state = shifts.state_dict()
    state["conv.weight"] = state["conv.weight"].T[:, None]
    conv1d.load_state_dict({**state, "conv.bias": torch.zeros(4)})
    x = torch.randn(2, 9, 4)
    torch.testing.assert_close(shifts(x), conv1d(x))


def test_weights_of_older_vocoders_load_with_either_loader() -> None:
    torch.manual_seed(0)
    saved, x = ConvNeXt(3, 2, 4, 2), torch.randn(1, 9, 3)
    state = old_names(saved.state_dict())
    assert "blocks.1.depthwise.weight" in state and "blocks.0.scale" in state
    for load in (lambda model: load_strict(model, state, "old.pth"),
                 lambda model: model.load_state_dict(state)):  # fmt: skip
        model = ConvNeXt(3, 2, 4, 2)
        load(model)
        assert torch.equal(model(x), saved(x))
    saved.load_state_dict(saved.state_dict())


def test_a_name_that_stands_for_none_of_today_is_still_unknown() -> None:
    model = ConvNeXt(3, 2, 4, 1)
    state = old_names(model.state_dict())
    both = {**state, "blocks.0.gate": state["blocks.0.scale"]}
    with pytest.raises(UserError, match="unknown parameter blocks.0.scale"):
        load_strict(model, both, "both.pth")
    odd = {**state, "blocks.0.depthwise.stride": torch.ones(1)}
    with pytest.raises(UserError, match="unknown parameter blocks.0.depthwise.stride"):
        load_strict(model, odd, "odd.pth")
