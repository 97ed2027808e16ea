"""The path and its round trips; losses; learning-rate schedule."""

import pytest
import torch

from espnet2_ext.flow.loss import masked_loss
from espnet2_ext.flow.path import LinearPath
from espnet2_ext.flow.schedule import HoldLinearDecayLR


@pytest.mark.parametrize("sigma", [0.0, 1e-6, 0.1])
def test_velocity_and_target_round_trip_in_float64(sigma):
    torch.manual_seed(0)
    path = LinearPath(sigma)
    x_0, x_1 = torch.randn(2, 4, 7, 3, dtype=torch.float64).unbind(0)
    t = torch.tensor([0.0, 0.3, 0.7, 0.99], dtype=torch.float64)
    sample = path.sample(x_0, x_1, t)
    torch.testing.assert_close(path.velocity_to_target(sample.u_t, sample.x_t, t), x_1)
    torch.testing.assert_close(path.target_to_velocity(x_1, sample.x_t, t), sample.u_t)
    torch.testing.assert_close(path.velocity_to_noise(sample.u_t, sample.x_t, t), x_0)


def test_path_ends_at_noise_and_data_and_velocity_is_its_derivative():
    path = LinearPath()
    x_0, x_1 = torch.randn(2, 2, 5, dtype=torch.float64).unbind(0)
    torch.testing.assert_close(path.sample(x_0, x_1, torch.zeros(2)).x_t, x_0)
    torch.testing.assert_close(path.sample(x_0, x_1, torch.ones(2)).x_t, x_1)
    t = torch.tensor([0.2, 0.6], dtype=torch.float64, requires_grad=True)
    _, derivative = torch.func.jvp(
        lambda s: path.sample(x_0, x_1, s).x_t, (t.detach(),), (torch.ones_like(t),)
    )
    torch.testing.assert_close(derivative, path.sample(x_0, x_1, t).u_t)


@pytest.mark.parametrize("kind", ["l1", "l2"])
def test_loss_of_equal_tensors_is_zero_and_padding_does_not_count(kind):
    x = torch.randn(2, 5, 3)
    assert masked_loss(x, x, torch.ones(2, 5, 1), kind) == 0
    mask = torch.tensor([[1.0, 1, 1, 0, 0], [1, 1, 1, 1, 1]])[..., None]
    y = x + (1 - mask) * 100
    assert masked_loss(x, y, mask, kind) == 0
    assert masked_loss(x, x + 2, mask, kind) == pytest.approx(4 if kind == "l2" else 2)


def test_schedule_holds_then_falls_linearly_as_in_the_paper():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3e-4)
    schedule = HoldLinearDecayLR(optimizer, hold_steps=200, end_steps=500, final_lr=1e-4)
    rates = []
    for _ in range(600):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[0] == rates[200] == pytest.approx(3e-4)
    assert rates[350] == pytest.approx(2e-4)
    assert rates[500] == rates[599] == pytest.approx(1e-4)
