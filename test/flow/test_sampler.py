"""ODE solvers on fields whose solution is known."""

import math

import pytest
import torch

from espnet2_ext.flow.sampler import SamplingConfig, guided, integrate, time_grid


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


def test_guidance_extrapolates_from_the_unconditional_field():
    v = guided(lambda x, t: x + 1, lambda x, t: x, 0.7)
    torch.testing.assert_close(v(torch.zeros(3), torch.tensor(0.0)), torch.full((3,), 1.7))
    assert guided(len, None, 0.7) is len


def test_bad_options_are_refused():
    for options in (
        {"solver": "rk9"},
        {"n_steps": 0},
        {"n_steps": 2**40},
        {"time_grid": "x"},
        {"guidance": -0.5},
        {"noise_temperature": -1.0},
        {"f0_temperature": -1.0},
        {"rtol": 0.0},
        {"atol": -1e-3},
    ):
        with pytest.raises(ValueError):
            SamplingConfig(**options)
