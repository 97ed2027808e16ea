"""Does the prompt's prosody leak into the singing? (Zhao et al., CoMelSinger, Table I.)

As the score says what to sing, the output should be as far from the prompt it was sung with
(paired) as from another one of the same singer (unpaired). Differences to both are compared,
statistic by statistic.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from espnet2_ext.evaluation.bootstrap import Interval
from espnet2_ext.evaluation.metric import Metric
from espnet2_ext.evaluation.paired import PairedTest, corrected, paired_test
from espnet2_ext.evaluation.prosody import STATISTICS
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
        output: Of the output.
        paired: Of the prompt that it was sung with.
        unpaired: Of one or more others; differences to them are averaged.
    """

    utt: str
    group: str
    output: Statistics
    paired: Statistics
    unpaired: Sequence[Statistics]


@dataclass(frozen=True)
class Significance:
    """Whether one statistic's excess is more than chance.

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
        tests: Of the excess.
        n_utt: Cases.
        n_group: Songs or singers.
        by: What a group is.
    """

    paired: dict[str, Interval]
    unpaired: dict[str, Interval]
    excess: dict[str, Interval]
    tests: dict[str, Significance]
    n_utt: int
    n_group: int
    by: str


def measure(sung: Sequence[Sung], by: str = "song") -> Leakage:
    """Table I over cases; intervals and tests take whole groups.

    Args:
        by: What groups are, for the reader.
    """
    paired, unpaired, found = {}, {}, []
    for metric in STATISTICS:
        own, other = _differences(metric, sung)
        test = paired_test(metric, other, own)
        if test is not None:
            found.append(test)
            paired[metric.name] = _interval(metric, own)
            unpaired[metric.name] = _interval(metric, other)
    tests = corrected(found)
    return Leakage(
        paired=paired,
        unpaired=unpaired,
        excess={test.metric: Interval(test.difference, *test.ci95) for test in tests},
        tests={test.metric: _significance(test) for test in tests},
        n_utt=len(sung),
        n_group=len({case.group for case in sung}),
        by=by,
    )


def _differences(metric: Metric, sung: Sequence[Sung]) -> tuple[Utterances, Utterances]:
    """Absolute differences to own and other prompts, of the cases that have both."""
    own, other = [], []
    for case in sung:
        output = case.output[metric.name]
        near = abs(output - case.paired[metric.name])
        others = [abs(output - statistics[metric.name]) for statistics in case.unpaired]
        others = [value for value in others if math.isfinite(value)]
        if others and math.isfinite(near):
            utt = {"utt": case.utt, "song": case.group}
            own.append({**utt, metric.name: near})
            other.append({**utt, metric.name: sum(others) / len(others)})
    return own, other


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
    lines = [
        f"{table.n_utt} outputs of {table.n_group} {table.by}s; 95% intervals over {table.by}s",
        "",
        "| difference of | to its own prompt | to another | other minus own | p (Wilcoxon, Holm) "
        "| verdict |",
        "|---|---|---|---|---|---|",
    ]
    for metric in STATISTICS:
        name = metric.name
        if name not in table.tests:
            lines.append(f"| {metric.head} | n/a | n/a | n/a | n/a | not measured |")
            continue
        parts = (table.paired, table.unpaired, table.excess)
        cells = [part[name].text(metric.digits) for part in parts]
        p = table.tests[name].p_holm
        cells += ["< .001" if p < 1e-3 else f"{p:.3f}", table.tests[name].verdict]
        lines.append(f"| {metric.head} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
