"""Two systems on the same utterances: difference, its interval, and a paired test.

Differences between songs are most of an interval over songs, and two systems that sing the same
songs share them. What tells the systems apart is the difference on each song.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from espnet2_ext.evaluation.bootstrap import N_BOOTSTRAP
from espnet2_ext.evaluation.holm import holm
from espnet2_ext.evaluation.metric import Metric
from espnet2_ext.evaluation.songs import songs_of, sum_by_song
from espnet2_ext.evaluation.table import Utterances, aggregate

LEVEL = 0.05


@dataclass(frozen=True)
class PairedTest:
    """One metric of two systems over the utterances where both have it.

    Args:
        metric: Its name.
        value: Of the first system, over these utterances.
        other: Of the second one.
        difference: First less second.
        ci95: Interval of the difference, songs drawn with replacement.
        p_value: Wilcoxon's signed-rank test over songs, two-sided; 1 where none differs.
        n_utt: Utterances that both have.
        n_song: Their songs.
        lower_is_better: Which way is better, as the metric says.
        p_holm: The p-value after Holm's correction over the tests of a table; None for a test that
            stands alone.
    """

    metric: str
    value: float
    other: float
    difference: float
    ci95: tuple[float, float]
    p_value: float
    n_utt: int
    n_song: int
    lower_is_better: bool
    p_holm: float | None = None

    @property
    def gain(self) -> float:
        """The difference, positive where the first system is better."""
        return -self.difference if self.lower_is_better else self.difference

    @property
    def verdict(self) -> str:
        """ "better" or "worse" where interval and test agree that it is not chance, else "tie"."""
        low, high = self.ci95
        p_value = self.p_value if self.p_holm is None else self.p_holm
        if p_value >= LEVEL or low <= 0 <= high:
            return "tie"
        return "better" if self.gain > 0 else "worse"


def paired_test(metric: Metric, first: Utterances, second: Utterances) -> PairedTest | None:
    """Compare two systems' utterances, matched by ``utt``; None where they share none.

    The test sees each song's own value (errors over phones, say), the difference and its interval
    the pooled one that tables show.
    """
    from scipy.stats import wilcoxon

    others = {u["utt"]: u for u in second if metric.value(u) is not None}
    pairs = [(u, others[u["utt"]]) for u in first
             if metric.value(u) is not None and u["utt"] in others]  # fmt: skip
    values = np.array([[metric.value(u) for u in pair] for pair in pairs], np.float64)
    weights = np.array([[metric.weight(u) for u in pair] for pair in pairs], np.float64)
    if not len(pairs) or (weights.sum(0) <= 0).any():
        return None
    songs = songs_of([pair[0] for pair in pairs])
    values, weights = sum_by_song(songs, values), sum_by_song(songs, weights)
    draws = np.random.default_rng(0).integers(len(values), size=(N_BOOTSTRAP, len(values)))
    drawn = values[draws].sum(1) / np.maximum(weights[draws].sum(1), 1e-12)
    whole = values.sum(0) / weights.sum(0)
    if metric.root:
        drawn, whole = np.sqrt(drawn), np.sqrt(whole)
    low, high = np.quantile(drawn[:, 0] - drawn[:, 1], [0.025, 0.975])
    singly = values / np.maximum(weights, 1e-12)
    apart = singly[:, 0] - singly[:, 1]
    p_value = float(wilcoxon(apart).pvalue) if np.any(apart) else 1.0
    p_value = p_value if math.isfinite(p_value) else 1.0
    return PairedTest(
        metric.name, float(whole[0]), float(whole[1]), float(whole[0] - whole[1]),
        (float(low), float(high)), p_value, len(pairs), len(values), metric.lower_is_better,
    )  # fmt: skip


def corrected(tests: Sequence[PairedTest]) -> list[PairedTest]:
    """The tests of a table, each with its p-value after Holm's correction over all of them."""
    p_values = holm([test.p_value for test in tests])
    return [replace(test, p_holm=p) for test, p in zip(tests, p_values, strict=True)]


def best_of(metric: Metric, systems: Mapping[str, Utterances]) -> str | None:
    """The system with the best value; None where none has the metric."""
    found = {name: value for name, utts in systems.items()
             if (value := aggregate(metric, utts)[0]) is not None}  # fmt: skip
    if not found:
        return None
    choose = min if metric.lower_is_better else max
    return choose(found, key=lambda name: found[name])


def against_best(
    ours: Utterances, baselines: Mapping[str, Utterances], metrics: Iterable[Metric]
) -> dict[str, dict[str, Any]]:
    """For each metric, our system against the baseline that is best at it.

    Returns:
        Metric to what a row of the table's JSON holds: baseline, difference, ci95, p_value, p_holm
        (over the metrics), n_utt, n_song, verdict.
    """
    tests: dict[tuple[str, str], PairedTest] = {}
    for metric in metrics:
        name = best_of(metric, baselines)
        test = paired_test(metric, ours, baselines[name]) if name is not None else None
        if name is not None and test is not None:
            tests[name, metric.name] = test
    return {
        metric: {
            "baseline": name, "ours": test.value, "theirs": test.other,
            "difference": test.difference, "ci95": test.ci95, "p_value": test.p_value,
            "p_holm": test.p_holm, "n_utt": test.n_utt, "n_song": test.n_song,
            "verdict": test.verdict,
        }
        for (name, metric), test in zip(tests, corrected(list(tests.values())), strict=True)
    }  # fmt: skip
