"""Solving the flow's ODE (SLM-SVS paper, eq. 6): from noise at t = 0 to features at t = 1."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor

from espnet2_ext.conditions.condition import NULL, STAND_INS
from espnet2_ext.score.length import EXACT, check_policy

Velocity = Callable[[Tensor, Tensor], Tensor]
"""u(x, t): a field that a sampler integrates."""

FIXED_SOLVERS = ("euler", "midpoint")
ADAPTIVE_SOLVERS = ("dopri5", "bosh3", "adaptive_heun")
TIME_GRIDS = ("uniform", "cosine")
LOGIT_NORMAL = "logit_normal"
TIME_SAMPLINGS = (*TIME_GRIDS, LOGIT_NORMAL)
MAX_STEPS = 10_000


@dataclass(frozen=True)
class SamplingConfig:
    """How features are drawn.

    Args:
        solver: "euler", "midpoint" (two evaluations a step), or an adaptive solver of torchdiffeq.
        n_steps: Steps of a fixed solver.
        time_grid: "uniform", or "cosine": t = 1 - cos(pi/2 s), small steps near the noise.
        guidance: Classifier-free guidance w in v + w (v - v_uncond); 0 is off. The authors: 0.7.
        guidance_by: In place of `guidance`, a weight for each condition by its name, in the order
            in which the nested sets take them up (`flow.guidance`); 1 is none. Conditions that are
            not named are always there.
        negative: What stands in the place of what guidance leaves out: "null" (learned), "zero" or
            "noise".
        guidance_start: Time from which guidance is applied.
        guidance_end: Time to which it is applied.
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
    guidance_by: Mapping[str, float] = field(default_factory=dict)
    negative: str = NULL
    guidance_start: float = 0.0
    guidance_end: float = 1.0
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
        if self.guidance and self.guidance_by:
            raise ValueError("guidance and guidance_by: one of the two")
        for name, weight in self.guidance_by.items():
            if not isinstance(weight, int | float) or not 0 <= weight < math.inf:
                raise ValueError(f"guidance_by: {name}: {weight!r} is no weight of 0 or more")
        if self.negative not in STAND_INS:
            raise ValueError(f"negative {self.negative!r} is none of {', '.join(STAND_INS)}")
        if not 0 <= self.guidance_start <= self.guidance_end <= 1:
            found = f"guidance_start {self.guidance_start}, guidance_end {self.guidance_end}"
            raise ValueError(f"{found}: not 0 to 1, in this order")
        for name in ("rtol", "atol"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} {getattr(self, name)} is not above 0")
        check_policy(self.length_policy)

    @property
    def weights(self) -> list[float]:
        """Of the nested sum of guidance; none without it."""
        if self.guidance_by:
            return list(self.guidance_by.values())
        return [1 + self.guidance] if self.guidance else []


def warp_time(s: Tensor, kind: str) -> Tensor:
    """Map uniform `s` in [0, 1] onto times of a kind, one of `TIME_SAMPLINGS`; all keep 0 and 1.

    "logit_normal" has most times in the middle: the logit of t is normal (Esser et al. 2024, eq.
    19, with m = 0 and s = 1).
    """
    if kind == LOGIT_NORMAL:
        return torch.sigmoid(torch.special.ndtri(s))
    return s if kind == "uniform" else 1 - torch.cos(s * (math.pi / 2))


def time_grid(n_steps: int, kind: str = "uniform", device: torch.device | None = None) -> Tensor:
    """The n_steps + 1 times from 0 to 1, float32."""
    grid = warp_time(torch.linspace(0, 1, n_steps + 1, dtype=torch.float64), kind)
    grid[-1] = 1.0
    return grid.float().to(device)


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
