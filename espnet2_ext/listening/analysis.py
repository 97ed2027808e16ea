"""What the listeners said of the systems: means, preferences, intervals, tests, agreement."""

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from espnet2_ext.errors import UserError
from espnet2_ext.evaluation.holm import holm
from espnet2_ext.listening.answers import NO_PREFERENCE, Answer, Listener, Rejection
from espnet2_ext.listening.design import LOW_ANCHOR, MID_ANCHOR
from espnet2_ext.listening.screening import screen
from espnet2_ext.listening.statistics import (
    CrossedBootstrap,
    binomial_p,
    exact_binomial,
    krippendorff_alpha,
    paired_p,
    t_interval,
)

ANCHORS = (LOW_ANCHOR, MID_ANCHOR)
FORMAT, VERSION = "espnet2_ext.listening_test.analysis", 1
DIGITS = 5

Given = list[tuple[Listener, Answer, Mapping[str, Any]]]
"""Listener, answer and the key's trial."""


def _round(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), DIGITS)


class Ratings:
    """Sums and counts of ratings by system, listener and utterance."""

    def __init__(self, given: Given, key: Mapping[str, Any], n_draws: int, seed: int) -> None:
        self.listeners = list(dict.fromkeys(listener.name for listener, _, _ in given))
        self.utts = sorted({trial["utt"] for _, _, trial in given})
        shape = len(self.listeners), len(self.utts)
        self.total: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(shape))
        self.count: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(shape))
        self.units: dict[str, list[float]] = defaultdict(list)
        self.values: dict[str, list[float]] = defaultdict(list)
        for listener, answer, trial in given:
            at = self.listeners.index(listener.name), self.utts.index(trial["utt"])
            for sample, value in answer.ratings.items():
                system = key["samples"][sample]["system"]
                self.total[system][at] += value
                self.count[system][at] += 1
                self.units[sample].append(value)
                self.values[system].append(value)
        self.bootstrap = CrossedBootstrap(*shape, n_draws, seed)
        self.draws = {s: self.bootstrap.means(self.total[s], self.count[s]) for s in self.total}

    def listener_means(self, system: str) -> np.ndarray:
        """Mean rating by each listener (listeners,), NaN for who rated nothing of it."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.total[system].sum(1) / self.count[system].sum(1)

    def row(self, system: str, split_of: Mapping[str, str]) -> dict[str, Any]:
        """One system's mean with both intervals."""
        values, means = self.values[system], self.listener_means(system)
        means = means[np.isfinite(means)]
        splits = {}
        for split in dict.fromkeys(split_of.values()):
            inside = [split_of.get(utt) == split for utt in self.utts]
            n = self.count[system][:, inside].sum()
            splits[split] = _round(self.total[system][:, inside].sum() / n) if n else None
        return {
            "system": system,
            "mean": _round(np.mean(values)),
            "sd": _round(np.std(values, ddof=1)) if len(values) > 1 else None,
            "ci95_bootstrap": self.bootstrap.interval(self.draws[system]).as_list(),
            "ci95_t": t_interval(means).as_list(),
            "n_ratings": len(values),
            "n_listeners": len(means),
            "n_utts": int((self.count[system].sum(0) > 0).sum()),
            "splits": splits if len(splits) > 1 else {},
        }

    def difference(self, a: str, b: str) -> dict[str, Any]:
        """Mean of `a` less that of `b`: crossed bootstrap, and Wilcoxon over listeners' means."""
        apart = self.listener_means(a) - self.listener_means(b)
        apart = apart[np.isfinite(apart)]
        return {
            "a": a,
            "b": b,
            "difference": _round(np.mean(self.values[a]) - np.mean(self.values[b])),
            "ci95_bootstrap": self.bootstrap.interval(self.draws[a] - self.draws[b]).as_list(),
            "p": paired_p(apart),
        }


def _with_holm(tests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for test, corrected in zip(tests, holm([test["p"] for test in tests]), strict=True):
        test["p"], test["p_holm"] = _round(test["p"]), _round(corrected)
    return tests


def rate_systems(given: Given, key: Mapping[str, Any], n_draws: int, seed: int) -> dict[str, Any]:
    """Analyse MOS or MUSHRA ratings."""
    ratings = Ratings(given, key, n_draws, seed)
    rows = [ratings.row(system, key["splits"]) for system in ratings.total]
    rows.sort(key=lambda row: (-row["mean"], row["system"]))
    # Tests of anchors would only cost the others power in Holm's correction.
    tested = [row["system"] for row in rows if row["system"] not in ANCHORS]
    pairs = itertools.combinations(tested, 2)
    return {
        "systems": rows,
        "tests": _with_holm([ratings.difference(a, b) for a, b in pairs]),
        "alpha": _round(krippendorff_alpha(ratings.units)),
        "n_listeners": len(ratings.listeners),
    }


def _by_pair(given: Given, key: Mapping[str, Any]) -> dict[tuple[str, str], Given]:
    order = list(key["systems"])
    pairs: dict[tuple[str, str], Given] = defaultdict(list)
    for one in given:
        names = {key["samples"][sample]["system"] for sample in one[2]["samples"]}
        pairs[tuple(sorted(names, key=order.index))].append(one)
    return dict(sorted(pairs.items(), key=lambda item: [order.index(n) for n in item[0]]))


def compare_pairs(given: Given, key: Mapping[str, Any], n_draws: int, seed: int) -> dict[str, Any]:
    """Analyse preferences."""
    rows, units = [], defaultdict(list)
    for (a, b), answers in _by_pair(given, key).items():
        listeners = list(dict.fromkeys(listener.name for listener, _, _ in answers))
        utts = sorted({trial["utt"] for _, _, trial in answers})
        total = np.zeros((len(listeners), len(utts)))
        count = np.zeros_like(total)
        chosen = {a: 0, b: 0, NO_PREFERENCE: 0}
        for listener, answer, trial in answers:
            none = answer.choice == NO_PREFERENCE
            name = NO_PREFERENCE if none else key["samples"][answer.choice]["system"]
            chosen[name] += 1
            at = listeners.index(listener.name), utts.index(trial["utt"])
            total[at] += {a: 1.0, b: 0.0}.get(name, 0.5)
            count[at] += 1
            units[answer.trial].append({a: 0.0, b: 1.0}.get(name, 2.0))
        bootstrap = CrossedBootstrap(*total.shape, n_draws, seed)
        decided = chosen[a] + chosen[b]
        rows.append({
            "a": a, "b": b, "wins_a": chosen[a], "wins_b": chosen[b],
            "no_preference": chosen[NO_PREFERENCE],
            "win_rate_a": _round(chosen[a] / decided) if decided else None,
            "ci95_exact": exact_binomial(chosen[a], decided).as_list(),
            "preference_a": _round(total.sum() / count.sum()),
            "ci95_bootstrap": bootstrap.interval(bootstrap.means(total, count)).as_list(),
            "n_listeners": len(listeners), "n_utts": len(utts),
            "p": binomial_p(chosen[a], decided),
        })  # fmt: skip
    return {
        "pairs": _with_holm(rows),
        "alpha": _round(krippendorff_alpha(units, "nominal")),
        "n_listeners": len({listener.name for listener, _, _ in given}),
    }


def tell_apart(given: Given, key: Mapping[str, Any]) -> dict[str, Any]:
    """Analyse ABX: can the two be told apart?"""
    rows = []
    for (a, b), answers in _by_pair(given, key).items():
        right = sum(answer.choice == trial["answer"] for _, answer, trial in answers)
        rows.append({
            "a": a, "b": b, "right": right, "n": len(answers),
            "rate": _round(right / len(answers)),
            "ci95_exact": exact_binomial(right, len(answers)).as_list(),
            "n_listeners": len({listener.name for listener, _, _ in answers}),
            "p": binomial_p(right, len(answers), "greater"),
        })  # fmt: skip
    return {
        "pairs": _with_holm(rows),
        "n_listeners": len({listener.name for listener, _, _ in given}),
    }


def analyse_test(
    key: Mapping[str, Any],
    listeners: Sequence[Listener],
    rejected: Sequence[Rejection] = (),
    screening: bool = True,
    n_draws: int = 10000,
    seed: int = 0,
) -> dict[str, Any]:
    """Everything that the summary shows, ready for JSON.

    Raises:
        UserError: no listener passes the screening.
    """
    findings = {listener.name: screen(listener, key) for listener in listeners}
    analysis: dict[str, Any] = {
        "format": FORMAT, "version": VERSION, "test": key["test"], "title": key.get("title", ""),
        "screening": screening, "n_bootstrap": n_draws, "seed": seed,
        "rejected": [{"file": str(r.file), "reason": r.reason} for r in rejected],
        "listeners": [],
    }  # fmt: skip
    for listener in listeners:
        found = findings[listener.name]
        analysis["listeners"].append({
            "listener": listener.name, "file": str(listener.file), "complete": listener.complete,
            "headphones": listener.headphones, "headphones_check": listener.wears_headphones,
            "catch_passed": found.catch_passed, "catch_trials": found.catch_trials,
            "excluded": found.out_of if screening else {}, "comment": listener.comment,
        })  # fmt: skip
    analyses = {
        "mos": lambda given: rate_systems(given, key, n_draws, seed),
        "mushra": lambda given: rate_systems(given, key, n_draws, seed),
        "ab": lambda given: compare_pairs(given, key, n_draws, seed),
        "abx": lambda given: tell_apart(given, key),
    }
    analysis["kinds"] = {}
    for kind in (section["kind"] for section in key["sections"]):
        given = []
        answered = set()
        for listener in listeners:
            trials = [(listener, a, key["trials"][a.trial]) for a in listener.answers]
            trials = [t for t in trials if t[2]["kind"] == kind and not t[2].get("catch")]
            answered.update([listener.name] * bool(trials))
            if not screening or not {"all", kind} & set(findings[listener.name].out_of):
                given += trials
        if given:
            analysis["kinds"][kind] = {**analyses[kind](given), "n_before_screening": len(answered)}
    if not analysis["kinds"]:
        raise UserError("results", "every listener is screened out", "--no_screening to see them")
    return analysis
