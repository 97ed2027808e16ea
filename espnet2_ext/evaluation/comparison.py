"""A table of systems with a paired test of ours against the baselines: JSON rows and Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.evaluation.measures import EXTRA_METRICS, LEAD, METRICS
from espnet2_ext.evaluation.metric import Metric
from espnet2_ext.evaluation.paired import against_best
from espnet2_ext.evaluation.songs import read_songs, with_songs
from espnet2_ext.evaluation.table import Utterances
from espnet2_ext.files import read_json


@dataclass(frozen=True)
class Comparison:
    """Systems on one split.

    Args:
        rows: As in results.json, in the order of the table.
        ours: The system that is tested.
        baselines: Those it is tested against.
        paired: Metric to the test against the baseline that is best at it; also in ours' row.
    """

    rows: list[dict[str, Any]]
    ours: str | None = None
    baselines: Sequence[str] = ()
    paired: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def read_utterances(scores_dir: str | Path, system: str, split: str) -> Utterances:
    """The utterances' scores that `bin.score` wrote, each with its song where that is known.

    Raises:
        UserError: there are none.
    """
    folder = Path(scores_dir) / system / split / "utts"
    utts = with_songs(
        [read_json(path) for path in sorted(folder.glob("*.json"))], read_songs(folder.parent)
    )
    if not utts:
        raise UserError(folder, "no scores", "the output of bin.score")
    return utts


def compare_systems(
    scores_dir: str | Path,
    split: str,
    systems: Sequence[str],
    ours: str | None = None,
    baselines: Sequence[str] = (),
) -> Comparison:
    """Read the rows of a table and test `ours` against the best of `baselines`, metric by metric.

    Args:
        scores_dir: Holds SYSTEM/SPLIT as `bin.score` writes it.
        systems: Rows, in order.
        ours: One of them; no test without it.
        baselines: Of them, too.

    Raises:
        UserError: a system was not scored, or is no row of the table.
    """
    for name in (*([ours] if ours else []), *baselines):
        if name not in systems:
            raise UserError("table", f"no row {name!r}", f"one of {', '.join(systems)}")
    rows = [read_json(Path(scores_dir) / system / split / "summary.json") for system in systems]
    paired: dict[str, dict[str, Any]] = {}
    if ours and baselines:
        metrics = (*METRICS, *EXTRA_METRICS)
        utts = {name: read_utterances(scores_dir, name, split) for name in (ours, *baselines)}
        paired = against_best(utts[ours], {name: utts[name] for name in baselines}, metrics)
        rows[systems.index(ours)]["paired"] = paired
    return Comparison(rows, ours, baselines, paired)


def markdown(comparison: Comparison) -> str:
    """The columns that lead, the others, and the paired test, each as a Markdown table."""
    rows = comparison.rows
    shown = [m for m in (*METRICS, *EXTRA_METRICS)
             if any(row["metrics"].get(m.name) is not None for row in rows)]  # fmt: skip
    lines = []
    lead = [m for m in shown if m.name in LEAD]
    for metrics in (lead, [m for m in shown if m not in lead]):
        if metrics:
            lines += [*_rows_table(comparison, metrics), ""]
    if comparison.paired:
        lines += [*_paired_table(comparison, shown), ""]
    return "\n".join(lines)


def _rows_table(comparison: Comparison, metrics: Sequence[Metric]) -> list[str]:
    lines = [
        "| system | utt (WORLD) | " + " | ".join(m.head for m in metrics) + " |",
        "|---" * (len(metrics) + 2) + "|",
    ]
    for row in comparison.rows:
        name = f"**{row['system']}**" if row["system"] == comparison.ours else row["system"]
        cells = [m.cell(row) for m in metrics]
        lines.append(f"| {name} | {row['n_utt']} ({row['n_utt_world']}) | {' | '.join(cells)} |")
    return lines


def _paired_table(comparison: Comparison, metrics: Sequence[Metric]) -> list[str]:
    lines = [
        f"| {comparison.ours} against the best of {', '.join(comparison.baselines)} | ours "
        "| best baseline | difference | p (Wilcoxon, Holm) | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for metric in metrics:
        test = comparison.paired.get(metric.name)
        if test is None:
            continue
        digits = metric.digits
        low, high = test["ci95"]
        p = test["p_holm"]
        p_value = "< .001" if p < 1e-3 else f"{p:.3f}"
        lines.append(
            f"| {metric.head} | {test['ours']:.{digits}f} | {test['theirs']:.{digits}f} "
            f"({test['baseline']}) | {test['difference']:+.{digits}f} "
            f"[{low:+.{digits}f}, {high:+.{digits}f}] | {p_value} | {test['verdict']} |"
        )
    return lines
