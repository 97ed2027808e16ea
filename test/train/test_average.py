"""Means of checkpoints and merged adapters, computed in 32 bits."""

import pytest
import torch
from espnet2.train.reporter import Reporter

from espnet2_ext.checkpoint import load_state
from espnet2_ext.errors import UserError
from espnet2_ext.train.average import average_nbest, mean_state
from espnet2_ext.train.partial import add_lora, plain_state

DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def write(folder, states):
    paths = []
    for epoch, state in enumerate(states, 1):
        paths.append(folder / f"{epoch}epoch.pth")
        torch.save(state, paths[-1])
    return paths


@pytest.mark.parametrize("dtype", DTYPES)
def test_equal_checkpoints_are_their_mean(tmp_path, dtype):
    """In 16 bits, and by sums, 12% of the weights changed."""
    weight = torch.randn(64, 64).to(dtype)
    paths = write(tmp_path, [{"w": weight, "n": torch.tensor(7)}] * 5)
    mean = mean_state(paths)
    assert mean["w"].dtype == dtype and torch.equal(mean["w"], weight)
    assert mean["n"] == 7


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_mean_is_rounded_once(tmp_path, dtype):
    states = [{"w": torch.randn(64, 64).to(dtype)} for _ in range(5)]
    exact = torch.stack([s["w"].double() for s in states]).mean(0)
    mean = mean_state(write(tmp_path, states))["w"]
    error = (mean.double() - exact).abs()
    assert (error <= 0.51 * torch.finfo(dtype).eps * exact.abs().clamp(min=1) + 4e-7).all()


def reporter(*losses):
    """Of a training with these validation losses, and accuracies that say the opposite."""
    made = Reporter()
    for epoch, loss in enumerate(losses, 1):
        made.set_epoch(epoch)
        with made.observe("valid") as observed:
            observed.register({"loss": loss, "acc": loss}, 1)
            observed.next()
    return made


def test_every_criterion_and_number_has_the_mean_of_its_own_best(tmp_path):
    """ESPnet's adds into the checkpoint that it loaded first: later means have it so."""
    values = [1.0, 2.0, 4.0, 8.0]
    write(tmp_path, [{"w": torch.full((2,), value)} for value in values])
    criteria = [("valid", "loss", "min"), ("valid", "acc", "max"), ("train", "loss", "min")]
    average_nbest(tmp_path, reporter(0.1, 0.2, 0.3, 0.4), criteria, [1, 2, 3, 9])
    for name, expected in (
        ("valid.loss.ave_1best", 1), ("valid.loss.ave_2best", 1.5),
        ("valid.loss.ave_3best", 7 / 3), ("valid.loss.ave", 7 / 3),
        ("valid.acc.ave_1best", 8), ("valid.acc.ave_2best", 6), ("valid.acc.ave", 14 / 3),
    ):  # fmt: skip
        assert load_state(tmp_path / f"{name}.pth")["w"].tolist() == pytest.approx([expected] * 2)
    assert not list(tmp_path.glob("train*")) and not list(tmp_path.glob("*9best*"))
    assert load_state(tmp_path / "1epoch.pth")["w"][0] == 1
    average_nbest(tmp_path, reporter(0.1), [("valid", "loss", "min")], 5, "till1epoch")
    assert load_state(tmp_path / "valid.loss.ave.till1epoch.pth")["w"][0] == 1


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_merged_adapter_is_all_there(dtype):
    """A change that is small beside 16 bits of the weight: a third of it and more was lost."""
    torch.manual_seed(0)
    model = torch.nn.Sequential()
    model.add_module("q_proj", torch.nn.Linear(64, 64))
    add_lora(model, ["q_proj"], 4, 8.0, 0.0)
    layer = model.q_proj
    with torch.no_grad():
        layer.lora_B["default"].weight.normal_(0, 1e-3)
    model.to(dtype)
    before = layer.base_layer.weight.double()
    A, B = (getattr(layer, f"lora_{m}")["default"].weight.double() for m in "AB")
    delta = plain_state(model)["q_proj.weight"].double() - before
    assert plain_state(model)["q_proj.weight"].dtype == torch.float32
    exact = 2.0 * B @ A
    assert exact.std() < 6e-3 * before.std()
    assert (delta - exact).norm() < 1e-3 * exact.norm()
    assert plain_state(model)["q_proj.bias"].dtype == dtype


def test_checkpoints_of_two_models_have_no_mean(tmp_path):
    paths = write(tmp_path, [{"w": torch.ones(2)}, {"v": torch.ones(2)}])
    with pytest.raises(UserError, match=r"v: other parameters than the first checkpoint"):
        mean_state(paths)
