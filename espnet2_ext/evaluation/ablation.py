"""What each row of a table differs by from one of them, over the same utterances."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.evaluation.comparison import read_utterances
from espnet2_ext.evaluation.measures import EXTRA_METRICS, METRICS
from espnet2_ext.evaluation.metric import Metric
from espnet2_ext.evaluation.paired import PairedTest, corrected, paired_test
from espnet2_ext.evaluation.songs import with_songs
from espnet2_ext.evaluation.table import Utterances
from espnet2_ext.files import read_json

SHOWN = ("f0_corr", "semitone_acc", "mcd_db", "per", "vuv_error", "singer_sim", "singer_acc")
"""Metrics of the Markdown table; the JSON rows have all."""


def ablation_rows(
    scores_dir: str | Path,
    splits: Sequence[str],
    systems: Sequence[str],
    against: str,
    groups: Mapping[str, str] | None = None,
    metrics: Sequence[Metric] = METRICS,
) -> list[dict[str, Any]]:
    """Rows as in results.json, each with its difference from `against`.

    Args:
        scores_dir: Holds SYSTEM/SPLIT as `bin.score` writes it.
        splits: Evaluated sets, in order; rows of each stand together.
        systems: Rows, in order. One that was not scored on a split has no row there.
        against: The row that the others of its split are held against; one of them.
        groups: What intervals and tests count, by utterance (the singer, say); None: songs.
        metrics: What is tested.

    Returns:
        Rows; each but those of `against` has ``"difference"``: by metric a `PairedTest` as a
        mapping, with its verdict after Holm's correction over all rows, splits and metrics.

    Raises:
        UserError: a system was scored on no split, `against` on not all of them, or it is no row.
    """
    if against not in systems:
        raise UserError("table", f"no row {against!r}", f"one of {', '.join(systems)}")
    rows: list[dict[str, Any]] = []
    tests: dict[tuple[int, str], PairedTest] = {}
    for split in splits:
        reference = _utterances(scores_dir, against, split, groups)
        for system in systems:
            summary = Path(scores_dir) / system / split / "summary.json"
            if len(splits) > 1 and not summary.is_file():
                continue
            rows.append(read_json(summary))
            if system == against:
                continue
            rows[-1]["difference"] = {}
            utts = _utterances(scores_dir, system, split, groups)
            for metric in metrics:
                test = paired_test(metric, utts, reference)
                if test is not None:
                    tests[len(rows) - 1, metric.name] = test
    for system in systems:
        if all(row["system"] != system for row in rows):
            raise UserError(scores_dir, f"no scores of {system}", f"on {' or '.join(splits)}")
    for (number, name), test in zip(tests, corrected(list(tests.values())), strict=True):
        rows[number]["difference"][name] = asdict(test) | {"verdict": test.verdict}
    return rows


def _utterances(
    scores_dir: str | Path, system: str, split: str, groups: Mapping[str, str] | None
) -> Utterances:
    """Scores of a row, counted by their groups in place of songs."""
    utts = read_utterances(scores_dir, system, split)
    return utts if groups is None else with_songs(utts, groups)


def metrics_of(names: Sequence[str]) -> list[Metric]:
    """Metrics by their names, in the order of tables; raises `UserError` for an unknown one."""
    every = {metric.name: metric for metric in (*METRICS, *EXTRA_METRICS)}
    if unknown := [name for name in names if name not in every]:
        raise UserError("--metrics", unknown[0], f"one of {', '.join(every)}")
    return [metric for name, metric in every.items() if name in names]


def ablation_markdown(
    rows: Sequence[dict[str, Any]], against: str, names: Sequence[str] = SHOWN
) -> str:
    """Values, then differences with 95% intervals, bold where interval and test agree."""
    metrics = metrics_of(names)
    columns = [m.name for m in metrics]
    head = ["| row | split | " + " | ".join(columns) + " |", "|---" * (len(columns) + 2) + "|"]
    lines = list(head)
    for row in rows:
        cells = [_number(row["metrics"].get(m.name), m.digits) for m in metrics]
        lines.append(f"| {row['system']} | {row['split']} | " + " | ".join(cells) + " |")
    lines += ["", f"Less `{against}`, over the same utterances:", "", *head]
    for row in rows:
        if "difference" in row:
            cells = [_difference(row["difference"].get(m.name), m.digits) for m in metrics]
            lines.append(f"| {row['system']} | {row['split']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _number(value: float | None, digits: int) -> str:
    return "n/a" if value is None else f"{value:.{digits}f}"


def _difference(test: dict[str, Any] | None, digits: int) -> str:
    if test is None:
        return "n/a"
    low, high = test["ci95"]
    text = f"{test['difference']:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"
    return text if test["verdict"] == "tie" else f"**{text}**"
