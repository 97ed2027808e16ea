"""Statistics of listening tests: intervals, tests and agreement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95% interval; None where the data have none."""

    low: float | None
    high: float | None

    def as_list(self) -> list[float] | None:
        """[low, high], rounded, for JSON."""
        return None if self.low is None else [round(self.low, 5), round(self.high, 5)]


NO_INTERVAL = Interval(None, None)


class CrossedBootstrap:
    """Bootstrap that draws listeners and utterances at once, both with replacement.

    A mean over listeners and utterances varies with either; drawing ratings alone takes them for
    independent and is far too narrow. The product of the two draws' counts weighs each rating (the
    pigeonhole bootstrap, Owen 2007; it errs on the wide side).

    Args:
        n_listeners: Listeners drawn from.
        n_utts: Utterances drawn from.
        n_draws: Bootstrap draws.
        seed: Of the draws; all quantities of one test share them, so differences are paired.
    """

    def __init__(self, n_listeners: int, n_utts: int, n_draws: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.listeners = self._counts(rng, n_listeners, n_draws)
        self.utts = self._counts(rng, n_utts, n_draws)

    @staticmethod
    def _counts(rng: np.random.Generator, n: int, n_draws: int) -> np.ndarray:
        return rng.multinomial(n, np.full(n, 1 / n), size=n_draws).astype(np.float64)

    def means(self, total: np.ndarray, count: np.ndarray) -> np.ndarray:
        """Mean of each draw (n_draws,), NaN where a draw holds no rating.

        Args:
            total: Sum of ratings (listeners, utterances).
            count: Number of ratings (listeners, utterances).
        """
        weighed = np.einsum("dl,lu,du->d", self.listeners, total, self.utts, optimize=True)
        number = np.einsum("dl,lu,du->d", self.listeners, count, self.utts, optimize=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            return weighed / number

    @staticmethod
    def interval(draws: np.ndarray) -> Interval:
        """Percentile interval of the draws that have a value."""
        draws = draws[np.isfinite(draws)]
        if not len(draws):
            return NO_INTERVAL
        low, high = np.percentile(draws, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
        return Interval(float(low), float(high))


def t_interval(listener_means: Sequence[float]) -> Interval:
    """Student's interval of the mean over listeners, as papers report it."""
    n = len(listener_means)
    if n < 2:
        return NO_INTERVAL
    mean, sd = float(np.mean(listener_means)), float(np.std(listener_means, ddof=1))
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * sd / n**0.5
    return Interval(mean - half, mean + half)


def exact_binomial(successes: int, n: int) -> Interval:
    """Clopper-Pearson interval of a share."""
    if not n:
        return NO_INTERVAL
    tail = (1 - LEVEL) / 2
    low = 0.0 if successes == 0 else stats.beta.ppf(tail, successes, n - successes + 1)
    high = 1.0 if successes == n else stats.beta.ppf(1 - tail, successes + 1, n - successes)
    return Interval(float(low), float(high))


def binomial_p(successes: int, n: int, alternative: str = "two-sided") -> float | None:
    """Exact p-value against a share of one half; None without trials."""
    return float(stats.binomtest(successes, n, 0.5, alternative).pvalue) if n else None


def paired_p(differences: Sequence[float]) -> float | None:
    """Wilcoxon's signed-rank test, two-sided; None with fewer than two differences.

    Small samples are tested exactly, ties included, by scipy's permutations of the signs.
    """
    differences = np.round(np.asarray(differences, np.float64), 9)
    if len(differences) < 2:
        return None
    if not differences.any():
        return 1.0
    small = len(differences) <= 12
    method = stats.PermutationMethod(n_resamples=2**13) if small else "auto"
    return float(stats.wilcoxon(differences, zero_method="zsplit", method=method).pvalue)


def krippendorff_alpha(
    units: Mapping[str, Sequence[float]], scale: Literal["interval", "nominal"] = "interval"
) -> float | None:
    """Agreement of raters: 1 perfect, 0 as by chance (Krippendorff 2011).

    Args:
        units: Ratings of each unit; units with one rating say nothing and are left out.
        scale: Distance of two ratings: squared difference, or equal or not.

    Returns:
        None where nothing was rated twice or nothing varies.
    """
    rated = [np.asarray(values, np.float64) for values in units.values() if len(values) > 1]
    if not rated:
        return None

    def disagreement(values: np.ndarray) -> float:
        """Sum of distances over ordered pairs."""
        if scale == "nominal":
            _, counts = np.unique(values, return_counts=True)
            return float(len(values) ** 2 - (counts**2).sum())
        return float(2 * len(values) * (values**2).sum() - 2 * values.sum() ** 2)

    everything = np.concatenate(rated)
    n = len(everything)
    observed = sum(disagreement(values) / (len(values) - 1) for values in rated) / n
    expected = disagreement(everything) / (n * (n - 1))
    return 1 - observed / expected if expected > 0 else None
