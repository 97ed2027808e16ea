"""Intervals over utterances (or other units that were drawn), by percentile bootstrap."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

N_BOOTSTRAP = 1000


@dataclass(frozen=True)
class Interval:
    """A value and its 95% interval; NaN where nothing could be measured."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float | None]:
        """Its numbers by name; None where nothing could be measured, since JSON has no NaN."""
        return {k: v if math.isfinite(v) else None for k, v in asdict(self).items()}

    def text(self, digits: int = 2) -> str:
        """As tables show it."""
        if math.isnan(self.value):
            return "n/a"
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def bootstrap(
    n: int, statistic: Callable[[np.ndarray], float], n_draws: int = N_BOOTSTRAP, seed: int = 0
) -> Interval:
    """A statistic of units that are drawn with replacement.

    Args:
        n: Units.
        statistic: Value from indices of units (n,), so that pooled values are pooled anew from each
            draw.
        n_draws: Draws.
        seed: Of the draws.
    """
    whole = float(statistic(np.arange(n))) if n else float("nan")
    if np.isnan(whole):
        return Interval(whole, whole, whole)
    rng = np.random.default_rng(seed)
    drawn = [statistic(rng.integers(n, size=n)) for _ in range(n_draws)]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return Interval(whole, float(low), float(high))


def mean_interval(values: np.ndarray) -> Interval:
    """The mean over units (N,), those that are NaN left out."""
    values = np.asarray(values, np.float64)
    values = values[np.isfinite(values)]
    return bootstrap(len(values), lambda drawn: float(np.mean(values[drawn])))


def ratio_interval(numerators: np.ndarray, denominators: np.ndarray) -> Interval:
    """Ratio of sums over units (N,): a pooled rate, drawn by unit."""

    def ratio(drawn: np.ndarray) -> float:
        return float(numerators[drawn].sum() / max(denominators[drawn].sum(), 1e-12))

    return bootstrap(len(numerators), ratio)
