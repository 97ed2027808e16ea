"""ODE solvers on fields whose solution is known."""

import math

import pytest
import torch

from espnet2_ext.flow.sampler import SamplingConfig, integrate, time_grid, warp_time


@pytest.mark.parametrize("solver", ["euler", "midpoint"])
@pytest.mark.parametrize("grid", ["uniform", "cosine"])
@pytest.mark.parametrize("n_steps", [1, 7])
def test_constant_field_is_solved_exactly(solver, grid, n_steps):
    x_0, slope = torch.randn(2, 2, 5, 3, dtype=torch.float64).unbind(0)
    config = SamplingConfig(solver, n_steps, grid)
    x_1 = integrate(lambda x, t: slope, x_0, config)
    torch.testing.assert_close(x_1, x_0 + slope, atol=1e-6, rtol=0)


def test_midpoint_is_of_second_order_and_adaptive_solver_is_accurate():
    def error(solver, n_steps):
        x = integrate(lambda x, t: x, torch.ones(1, 1, 1), SamplingConfig(solver, n_steps))
        return abs(x.item() - math.e)

    assert error("midpoint", 20) < error("euler", 20) / 20
    assert error("midpoint", 20) / error("midpoint", 40) == pytest.approx(4, rel=0.1)
    pytest.importorskip("torchdiffeq")
    assert error("dopri5", 1) < 1e-2


def test_time_grids_rise_from_0_to_1():
    for kind in ("uniform", "cosine"):
        grid = time_grid(10, kind)
        assert grid[0] == 0 and grid[-1] == 1 and (grid.diff() > 0).all()
    assert time_grid(10, "cosine").diff()[0] < 0.05


def test_logit_normal_times_are_normal_in_their_logit():
    s = torch.linspace(0, 1, 10_001, dtype=torch.float64)
    t = warp_time(s, "logit_normal")
    assert t[0] == 0 and t[-1] == 1 and t[5000] == 0.5 and (t.diff() >= 0).all()
    z = torch.logit(t[1:-1])
    assert abs(z.mean()) < 1e-6 and abs(z.std() - 1) < 1e-3
    assert ((t > 0.25) & (t < 0.75)).double().mean() > 0.7


def test_bad_options_are_refused():
    for options in (
        {"solver": "rk9"},
        {"n_steps": 0},
        {"n_steps": 2**40},
        {"time_grid": "x"},
        {"guidance": -0.5},
        {"guidance": 0.5, "guidance_by": {"text": 2.0}},
        {"guidance_by": {"text": -1.0}},
        {"negative": "silence"},
        {"guidance_start": 0.6, "guidance_end": 0.5},
        {"guidance_end": 1.5},
        {"noise_temperature": -1.0},
        {"f0_temperature": -1.0},
        {"rtol": 0.0},
        {"atol": -1e-3},
    ):
        with pytest.raises(ValueError):
            SamplingConfig(**options)
