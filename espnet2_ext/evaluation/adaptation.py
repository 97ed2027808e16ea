"""The adaptation table: learning curves and scores of trainings that differ in their start."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.evaluation.measures import METRICS
from espnet2_ext.files import read_json

SHOWN = ("f0_corr", "note_acc", "per", "singer_sim", "singer_acc")


@dataclass(frozen=True)
class Run:
    """A training.

    Args:
        name: Row of the table.
        trained: Parameters that trained, rows that stay left out.
        total: All parameters.
        valid_loss: Steps done to validation loss.
    """

    name: str
    trained: int
    total: int
    valid_loss: dict[int, float]


def read_run(exp_dir: str | Path, prefix: str = "") -> Run:
    """Read an experiment of the speech LM; its name without `prefix` is the row's.

    Raises:
        UserError: it has not been trained.
    """
    exp_dir = Path(exp_dir)
    trained, total = read_json(exp_dir / "parameters.json")["all"]
    history = read_json(exp_dir / "history.json")
    if not history:
        raise UserError(exp_dir / "history.json", "no epochs", "a training")
    losses = {
        int(epoch["train"]["total_count"]): float(epoch["valid"]["loss"])
        for epoch in history
        if epoch["valid"]["loss"] is not None  # of a training that diverged
    }
    return Run(exp_dir.name.removeprefix(prefix), trained, total, losses)


def markdown(runs: Sequence[Run], scores: Sequence[Mapping[str, Any]]) -> str:
    """Learning curves, then a table of the scores for each split.

    Args:
        runs: Trainings, in the order of the rows.
        scores: Rows of `evaluation.table.collect` of systems named as the runs; others follow.
    """
    steps = sorted({step for run in runs for step in run.valid_loss})
    lines = [
        "| dev loss after steps | trained parameters | " + " | ".join(map(str, steps)) + " |",
        "|---" * (len(steps) + 2) + "|",
    ]
    for run in runs:
        curve = [f"{run.valid_loss[s]:.3f}" if s in run.valid_loss else "" for s in steps]
        share = f"{run.trained:,} of {run.total:,}"
        lines.append(f"| {run.name} | {share} | " + " | ".join(curve) + " |")
    order = {run.name: rank for rank, run in enumerate(runs)}
    columns = [metric for metric in METRICS if metric.name in SHOWN]
    for split in sorted({row["split"] for row in scores}):
        lines += ["", f"| {split} | " + " | ".join(m.head for m in columns) + " |"]
        lines.append("|---" * (len(columns) + 1) + "|")
        rows = [row for row in scores if row["split"] == split]
        for row in sorted(rows, key=lambda r: order.get(r["system"], len(order))):
            cells = [_cell(row["metrics"].get(m.name), m.digits) for m in columns]
            lines.append(f"| {row['system']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(value: float | None, digits: int) -> str:
    return "n/a" if value is None else f"{value:.{digits}f}"
