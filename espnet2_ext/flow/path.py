"""The probability path between noise and data (SLM-SVS paper, eq. 1-4).

x_t = (1 - (1 - sigma) t) x_0 + t x_1 with velocity u = x_1 - (1 - sigma) x_0; sigma = 0 is the
paper's straight line. All functions are exact in float64 both ways.
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class PathSample:
    """A point of the path: `x_t` (B, ...), its velocity `u_t` (B, ...) and the time `t` (B,)."""

    x_t: Tensor
    u_t: Tensor
    t: Tensor


@dataclass(frozen=True)
class LinearPath:
    """Straight conditional path of width `sigma` at t = 1.

    Args:
        sigma: Noise left at the end; 0 in the paper, 1e-6 in the authors' scripts.
    """

    sigma: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.sigma < 1:
            raise ValueError(f"sigma {self.sigma} outside [0, 1)")

    def sample(self, x_0: Tensor, x_1: Tensor, t: Tensor) -> PathSample:
        """Point and velocity at time `t` (eq. 3).

        Args:
            x_0: Noise (B, ...).
            x_1: Data (B, ...).
            t: Times (B,) in [0, 1].
        """
        s = expand_time(t, x_1)
        shrink = 1 - self.sigma
        return PathSample((1 - shrink * s) * x_0 + s * x_1, x_1 - shrink * x_0, t)

    def velocity_to_target(self, u_t: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """The x_1 that a velocity at (x_t, t) points to."""
        s = expand_time(t, x_t)
        shrink = 1 - self.sigma
        return shrink * x_t + (1 - shrink * s) * u_t

    def target_to_velocity(self, x_1: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """The velocity that leads from (x_t, t) to `x_1`; needs (1 - sigma) t < 1."""
        s = expand_time(t, x_t)
        shrink = 1 - self.sigma
        return (x_1 - shrink * x_t) / (1 - shrink * s)

    def velocity_to_noise(self, u_t: Tensor, x_t: Tensor, t: Tensor) -> Tensor:
        """The x_0 that a velocity at (x_t, t) comes from."""
        return x_t - expand_time(t, x_t) * u_t


def expand_time(t: Tensor, like: Tensor) -> Tensor:
    """Shape (B,) or () as (B, 1, ...) to multiply `like` (B, ...)."""
    return t.reshape(t.shape + (1,) * (like.dim() - t.dim())) if t.dim() else t
