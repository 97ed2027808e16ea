"""Does the prompt's prosody leak into the singing? (Zhao et al., CoMelSinger, Table I.)

As the score says what to sing, the output should be as far from the prompt it was sung with
(paired) as from another one of the same singer (unpaired). Differences to both are compared,
statistic by statistic.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from espnet2_ext.evaluation.bootstrap import Interval, ratio_interval
from espnet2_ext.evaluation.metric import Metric
from espnet2_ext.evaluation.paired import PairedTest, corrected, paired_test
from espnet2_ext.evaluation.prosody import STATISTICS
from espnet2_ext.evaluation.songs import sum_by_song
from espnet2_ext.evaluation.table import Utterances, aggregate

VERDICTS = {"worse": "leaks", "tie": "none shown", "better": "reversed"}
"""Of the paired test in which further from the unpaired prompt counts as worse."""

Statistics = Mapping[str, float]


@dataclass(frozen=True)
class Sung:
    """An output beside its own prompt and others of the same singer, by their statistics.

    Args:
        utt: Its name; each case has its own.
        group: Its song or singer: what is drawn for intervals, and what the test counts.
        circle: Its singer, or other cases whose prompts it could have had.
        output: Of the output.
        paired: Of the prompt that it was sung with.
        unpaired: Of one or more others; differences to them are averaged.
        control: Of the same score sung without hearing a prompt, the recording say; None without.
    """

    utt: str
    group: str
    circle: str
    output: Statistics
    paired: Statistics
    unpaired: Sequence[Statistics]
    control: Statistics | None = None


@dataclass(frozen=True)
class Significance:
    """Whether one statistic's excess, or what it has beyond the control's, is more than chance.

    Args:
        p_value: Wilcoxon's signed-rank test over groups, two-sided.
        p_holm: The same after Holm's correction over the table.
        verdict: "leaks", "reversed" (nearer to the other prompt) or "none shown".
        n_utt: Cases where it was measured.
        n_group: Their songs or singers.
    """

    p_value: float
    p_holm: float
    verdict: str
    n_utt: int
    n_group: int


@dataclass(frozen=True)
class Leakage:
    """The table, by the names of `STATISTICS`; a statistic that was never measured is not in it.

    Args:
        paired: Mean absolute difference to the own prompt, with its 95% interval over groups.
        unpaired: The same to the other prompts.
        excess: Unpaired less paired: above 0, outputs resemble their own prompt.
        beyond: Excess less that of the control, which shares the luck of who was paired with what;
            empty without a control.
        share: Of what sets a prompt apart from the singer's others, how much the output follows:
            sum p y / sum p^2 over cases, p being the own prompt's statistic and y that of the
            output, less the control's, both less their means within a circle. 0: nothing, 1: all.
            Unlike absolute differences it sees a leak wherever the output lies.
        tests: Of `beyond` where there is a control, else of `excess`.
        n_utt: Cases.
        n_group: Songs or singers.
        by: What a group is.
    """

    paired: dict[str, Interval]
    unpaired: dict[str, Interval]
    excess: dict[str, Interval]
    beyond: dict[str, Interval]
    share: dict[str, Interval]
    tests: dict[str, Significance]
    n_utt: int
    n_group: int
    by: str


def measure(sung: Sequence[Sung], by: str = "song") -> Leakage:
    """Table I over cases; intervals and tests take whole groups.

    Args:
        by: What groups are, for the reader.
    """
    paired, unpaired, excess, beyond = {}, {}, {}, {}
    found = []
    controlled = any(case.control is not None for case in sung)
    for metric in STATISTICS:
        own, other, more, control = _differences(metric, sung)
        plain = paired_test(metric, other, own)
        tested = paired_test(metric, more, control) if controlled else plain
        if plain is None or tested is None:
            continue
        found.append(tested)
        paired[metric.name], unpaired[metric.name] = (
            _interval(metric, own),
            _interval(metric, other),
        )
        excess[metric.name] = Interval(plain.difference, *plain.ci95)
        if controlled:
            beyond[metric.name] = Interval(tested.difference, *tested.ci95)
    return Leakage(
        paired=paired,
        unpaired=unpaired,
        excess=excess,
        beyond=beyond,
        share={name: _share(name, sung) for name in paired},
        tests={test.metric: _significance(test) for test in corrected(found)},
        n_utt=len(sung),
        n_group=len({case.group for case in sung}),
        by=by,
    )


def _differences(metric: Metric, sung: Sequence[Sung]) -> tuple[Utterances, ...]:
    """Absolute differences to own and to other prompts, their excess, and the control's excess.

    Each is of the cases that have it.
    """
    parts: tuple[list[dict[str, str | float]], ...] = ([], [], [], [])
    for case in sung:
        near, far = _near_and_far(metric.name, case.output, case)
        values = [near, far, far - near, math.nan]
        if case.control is not None:
            near, far = _near_and_far(metric.name, case.control, case)
            values[3] = far - near
        for part, value in zip(parts, values, strict=True):
            if math.isfinite(values[2]) and math.isfinite(value):
                part.append({"utt": case.utt, "song": case.group, metric.name: value})
    return parts


def _near_and_far(name: str, heard: Statistics, case: Sung) -> tuple[float, float]:
    """Absolute difference to the own prompt, and its mean over the others; NaN without."""
    others = [abs(heard[name] - statistics[name]) for statistics in case.unpaired]
    others = [value for value in others if math.isfinite(value)]
    return abs(heard[name] - case.paired[name]), sum(others) / len(others) if others else math.nan


def _share(name: str, sung: Sequence[Sung]) -> Interval:
    """Slope of the outputs' statistic over the prompts', both centred within each circle."""
    circles: dict[str, list[tuple[str, float, float]]] = {}
    for case in sung:
        level = case.control[name] if case.control is not None else 0.0
        p, y = case.paired[name], case.output[name] - level
        if math.isfinite(p) and math.isfinite(y):
            circles.setdefault(case.circle, []).append((case.group, p, y))
    groups = [group for rows in circles.values() for group, _, _ in rows]
    centred = [np.array([row[1:] for row in rows]) for rows in circles.values()]
    p, y = np.concatenate([rows - rows.mean(axis=0) for rows in centred]).T
    if not p.any():
        return Interval(*(math.nan,) * 3)
    return ratio_interval(*sum_by_song(groups, np.stack([p * y, p**2], axis=1)).T)


def _interval(metric: Metric, utts: Utterances) -> Interval:
    value, ci95 = aggregate(metric, utts)
    assert value is not None and ci95 is not None  # a test was made of them
    return Interval(value, *ci95)


def _significance(test: PairedTest) -> Significance:
    assert test.p_holm is not None
    verdict = VERDICTS[test.verdict]
    return Significance(test.p_value, test.p_holm, verdict, test.n_utt, test.n_song)


def markdown(table: Leakage) -> str:
    """The table to read, one line a statistic."""
    heads = ["difference of", "to its own prompt", "to another", "other minus own"]
    heads += ["beyond the control"] if table.beyond else []
    heads += ["p (Wilcoxon, Holm)", "verdict", "share followed"]
    lines = [
        f"{table.n_utt} outputs of {table.n_group} {table.by}s; 95% intervals over {table.by}s",
        "",
        "| " + " | ".join(heads) + " |",
        "|---" * len(heads) + "|",
    ]
    for metric in STATISTICS:
        cells = [metric.head]
        if metric.name in table.tests:
            test = table.tests[metric.name]
            parts = (table.paired, table.unpaired, table.excess, table.beyond)
            cells += [part[metric.name].text(metric.digits) for part in parts if part]
            cells += ["< .001" if test.p_holm < 1e-3 else f"{test.p_holm:.3f}", test.verdict]
            cells.append(table.share[metric.name].text(3))
        else:
            cells += ["n/a"] * (len(heads) - 3) + ["not measured", "n/a"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
