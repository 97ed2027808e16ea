"""A metric: how utterances' scores become one number, how it is shown, and which way is better."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

LOWER, HIGHER = True, False


@dataclass(frozen=True)
class Metric:
    """How utterances become one number, and how tables show it.

    Args:
        name: Key in `results.json`.
        head: Column head, naming the definition.
        short: Head where the definition stands elsewhere.
        value: Numerator a utterance; None where it is not defined.
        weight: Denominator a utterance.
        lower_is_better: Which way is better. It has no default: a metric that does not say would
            be judged the wrong way round half of the time.
        digits: Decimals shown.
        root: The square root of the ratio is reported.
    """

    name: str
    head: str
    short: str
    value: Callable[[Mapping[str, Any]], float | None]
    weight: Callable[[Mapping[str, Any]], float]
    lower_is_better: bool
    digits: int = 3
    root: bool = False

    def cell(self, row: Mapping[str, Any]) -> str:
        """The metric of a row of `results.json`, with its 95% interval."""
        value = row["metrics"].get(self.name)
        if value is None:
            return "n/a"
        low, high = row["ci95"][self.name]
        return f"{value:.{self.digits}f} [{low:.{self.digits}f}, {high:.{self.digits}f}]"


def mean(name: str, head: str, short: str, lower_is_better: bool, digits: int = 3) -> Metric:
    """The mean over the utterances where it is defined."""
    return Metric(name, head, short, lambda u: u.get(name), lambda u: 1.0, lower_is_better, digits)


def pooled(name: str, count: str, head: str, short: str, lower_is_better: bool) -> Metric:
    """The mean over what `count` counts in every utterance: its frames or notes."""

    def value(u: Mapping[str, Any]) -> float | None:
        return None if u.get(name) is None else u[name] * u[count]

    return Metric(name, head, short, value, lambda u: u[count], lower_is_better)
