"""What each row of a table differs by from one of them, over the same utterances."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.evaluation.comparison import read_utterances
from espnet2_ext.evaluation.measures import METRICS
from espnet2_ext.evaluation.paired import PairedTest, corrected, paired_test
from espnet2_ext.files import read_json

SHOWN = ("f0_corr", "semitone_acc", "mcd_db", "per", "vuv_error", "singer_sim", "singer_acc")
"""Metrics of the Markdown table; the JSON rows have all."""


def ablation_rows(
    scores_dir: str | Path, split: str, systems: Sequence[str], against: str
) -> list[dict[str, Any]]:
    """Rows as in results.json, each with its difference from `against`.

    Args:
        scores_dir: Holds SYSTEM/SPLIT as `bin.score` writes it.
        systems: Rows, in order.
        against: The row that the others are held against; one of them.

    Returns:
        Rows; each but that of `against` has ``"difference"``: by metric a `PairedTest` as a
        mapping, with its verdict after Holm's correction over all rows and metrics.

    Raises:
        UserError: a system was not scored, or `against` is no row.
    """
    if against not in systems:
        raise UserError("table", f"no row {against!r}", f"one of {', '.join(systems)}")
    reference = read_utterances(scores_dir, against, split)
    rows = [read_json(Path(scores_dir) / system / split / "summary.json") for system in systems]
    tests: dict[tuple[int, str], PairedTest] = {}
    for number, system in enumerate(systems):
        if system != against:
            rows[number]["difference"] = {}
            utts = read_utterances(scores_dir, system, split)
            for metric in METRICS:
                test = paired_test(metric, utts, reference)
                if test is not None:
                    tests[number, metric.name] = test
    for (number, name), test in zip(tests, corrected(list(tests.values())), strict=True):
        rows[number]["difference"][name] = asdict(test) | {"verdict": test.verdict}
    return rows


def ablation_markdown(rows: Sequence[dict[str, Any]], against: str) -> str:
    """Values, then differences with 95% intervals, bold where interval and test agree."""
    metrics = [m for m in METRICS if m.name in SHOWN]
    lines = [
        "| row | " + " | ".join(m.name for m in metrics) + " |",
        "|---" * (len(metrics) + 1) + "|",
    ]
    for row in rows:
        cells = [_number(row["metrics"].get(m.name), m.digits) for m in metrics]
        lines.append(f"| {row['system']} | " + " | ".join(cells) + " |")
    lines += ["", f"Less `{against}`, over the same utterances:", "", *lines[:2]]
    for row in rows:
        if "difference" in row:
            cells = [_difference(row["difference"].get(m.name), m.digits) for m in metrics]
            lines.append(f"| {row['system']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _number(value: float | None, digits: int) -> str:
    return "n/a" if value is None else f"{value:.{digits}f}"


def _difference(test: dict[str, Any] | None, digits: int) -> str:
    if test is None:
        return "n/a"
    low, high = test["ci95"]
    text = f"{test['difference']:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"
    return text if test["verdict"] == "tie" else f"**{text}**"
