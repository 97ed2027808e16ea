"""Solving the flow's ODE (SLM-SVS paper, eq. 6): from noise at t = 0 to features at t = 1."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from espnet2_ext.score.length import EXACT, check_policy

FIXED_SOLVERS = ("euler", "midpoint")
ADAPTIVE_SOLVERS = ("dopri5", "bosh3", "adaptive_heun")
TIME_GRIDS = ("uniform", "cosine")
MAX_STEPS = 10_000

Velocity = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class SamplingConfig:
    """How features are drawn.

    Args:
        solver: "euler", "midpoint" (two evaluations a step), or an adaptive solver of torchdiffeq.
        n_steps: Steps of a fixed solver.
        time_grid: "uniform", or "cosine": t = 1 - cos(pi/2 s), small steps near the noise.
        guidance: Classifier-free guidance w in v + w (v - v_uncond); 0 is off. The authors: 0.7.
        noise_temperature: Standard deviation of x_0; 1 is the trained path, less is smoother.
        f0_temperature: The same of the channels of F0 and voicing; None: as `noise_temperature`.
        seed: Noise seed; an utterance's noise depends on it and on its tokens alone.
        rtol: Relative tolerance of an adaptive solver.
        atol: Absolute tolerance of an adaptive solver.
        length_policy: What becomes of tokens that are not as many as the score's frames: "exact",
            "pad" or "trim" (`score.length`).
    """

    solver: str = "euler"
    n_steps: int = 8
    time_grid: str = "uniform"
    guidance: float = 0.0
    noise_temperature: float = 1.0
    f0_temperature: float | None = None
    seed: int = 0
    rtol: float = 1e-3
    atol: float = 1e-3
    length_policy: str = EXACT

    def __post_init__(self) -> None:
        solvers = FIXED_SOLVERS + ADAPTIVE_SOLVERS
        if self.solver not in solvers:
            raise ValueError(f"solver {self.solver!r} is none of {', '.join(solvers)}")
        if self.time_grid not in TIME_GRIDS:
            raise ValueError(f"time_grid {self.time_grid!r} is none of {', '.join(TIME_GRIDS)}")
        if not 1 <= self.n_steps <= MAX_STEPS:
            raise ValueError(f"n_steps {self.n_steps} is not 1 to {MAX_STEPS}")
        for name in ("guidance", "noise_temperature", "f0_temperature"):
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"{name} {getattr(self, name)} is negative")
        for name in ("rtol", "atol"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} {getattr(self, name)} is not above 0")
        check_policy(self.length_policy)


def warp_time(s: Tensor, kind: str) -> Tensor:
    """Map uniform `s` in [0, 1] onto the grid `kind`; both keep 0 and 1."""
    return s if kind == "uniform" else 1 - torch.cos(s * (math.pi / 2))


def time_grid(n_steps: int, kind: str = "uniform", device: torch.device | None = None) -> Tensor:
    """The n_steps + 1 times from 0 to 1, float32."""
    grid = warp_time(torch.linspace(0, 1, n_steps + 1, dtype=torch.float64), kind)
    grid[-1] = 1.0
    return grid.float().to(device)


def guided(conditional: Velocity, unconditional: Velocity | None, guidance: float) -> Velocity:
    """Classifier-free guidance: v + w (v - v_uncond)."""
    if not guidance or unconditional is None:
        return conditional

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        v = conditional(x, t)
        return v + guidance * (v - unconditional(x, t))

    return velocity


@torch.no_grad()
def integrate(velocity: Velocity, x_0: Tensor, config: SamplingConfig) -> Tensor:
    """Carry `x_0` from t = 0 to t = 1 along `velocity(x, t)`, t a scalar tensor.

    Args:
        velocity: The field (eq. 6), guidance applied.
        x_0: Start (B, T, C).
        config: Solver and its grid.

    Returns:
        x_1 (B, T, C).
    """
    grid = time_grid(config.n_steps, config.time_grid, x_0.device)
    if config.solver in ADAPTIVE_SOLVERS:
        from torchdiffeq import odeint

        ends = grid[[0, -1]]
        return odeint(
            lambda t, x: velocity(x, t),
            x_0,
            ends,
            method=config.solver,
            rtol=config.rtol,
            atol=config.atol,
        )[-1]
    x = x_0
    for t, t_next in pairwise(grid):
        h = t_next - t
        slope = velocity(x, t)
        if config.solver == "midpoint":
            slope = velocity(x + 0.5 * h * slope, t + 0.5 * h)
        x = x + h * slope
    return x
