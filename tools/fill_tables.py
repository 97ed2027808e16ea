"""Fill the tables of README.md and docs/ from the JSON files that the recipes write.

A table stands between two comments, the first of which says what it shows:

    <!-- table results/table1.json columns=per,singer_sim intervals=true -->
    <!-- /table -->

The path is relative to `docs/`. Options: `view` (rows, differences, paired, losses, leakage or
runs), `columns` (keys of the JSON, in order), `metrics` (lines of losses), `stage`, `split`,
`systems` (separated by `;`; with `=`: a title for the first column's entry),
`bold` (a system), `intervals` (true: 95% intervals beside the values), `first` (head of the first
column). `python tools/fill_tables.py` writes the files again; `--check` changes nothing and fails
where a table is not what its JSON says.
"""

import argparse
import json
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from espnet2_ext.bin.report.expressiveness import HEADS as EXPRESSIVENESS_HEADS
from espnet2_ext.bin.report.expressiveness import TIMING_HEADS
from espnet2_ext.evaluation.measures import EXTRA_METRICS, METRICS
from espnet2_ext.evaluation.prosody import STATISTICS

ROOT = Path(__file__).resolve().parents[1]
ALL_METRICS = (*METRICS, *EXTRA_METRICS)
HEADS = {m.name: m.short for m in ALL_METRICS} | {"n_utt": "utterances", **EXPRESSIVENESS_HEADS}
HEADS |= TIMING_HEADS
HEADS |= {"unseen_acc": "unseen"}  # of tuning_dev.json
HEADS |= {"shift_cents": "octave prompts, cents"}  # of comelsinger_dev.json
HEADS |= {
    "median_cents": "outputs apart, cents",
    "prompt_cents": "prompts apart, cents",
    "share": "share followed",
    "leaks": "leaks told",
}  # of `report leakages`
HEADS |= {  # of `report ablation --exp_dirs`
    "parameters": "parameters that train",
    "cpu_sec": "CPU seconds",
}
HEADS |= {metric.name: metric.head for metric in STATISTICS}
HEADS |= {  # of benchmarks/real_singing.py
    "seconds": "s", "fs": "Hz", "notes": "notes", "findings": "findings", "kinds": "kinds",
    "corr": "F0 corr", "within_50_cents": "within 50 cents", "octave_errors": "octave errors",
    "peak": "peak", "level_sd_db": "level sd (dB)", "level_max_db": "level max (dB)",
    "mcd_db_sound": "MCD dB, no digital silence", "singer_other": "nearest other",
    "secs_sim": "SECS",
    "secs_own": "nearest of the pack (SECS)", "singer_own": "nearest of the pack",
    "secs_other": "nearest other (SECS)", "secs_acc": "singer acc (SECS)", "singers": "singers",
    "said": "what is said",
}  # fmt: skip
DIGITS = {m.name: m.digits for m in ALL_METRICS} | {"performed_sd_ms": 0, "predicted_sd_ms": 0}
DIGITS |= {
    "unseen_acc": 3,
    "seconds": 1,
    "corr": 3,
    "within_50_cents": 3,
    "octave_errors": 3,
    "level_sd_db": 1,
    "level_max_db": 1,
    "share": 3,
    "cpu_sec": 0,
}
LEAKAGE = {"paired": "to its own prompt", "unpaired": "to another", "excess": "other minus own",
           "beyond": "beyond the control"}  # fmt: skip
LEAKAGE_HEADS = {metric.name: metric.head for metric in STATISTICS}
_TABLE = re.compile(r"(<!-- table (.+?) -->\n)(.*?)(<!-- /table -->)", re.DOTALL)

Row = Mapping[str, Any]


def _digits(column: str) -> int:
    """Decimals of a metric; ratios to the recordings have two."""
    return DIGITS.get(column, 2)


def _value(row: Row, column: str) -> tuple[float | None, Sequence[float] | None]:
    """A value and its 95% interval, from a row of scores or of expressiveness."""
    if column in row.get("metrics", {}):
        return row["metrics"][column], row["ci95"].get(column)
    found = row["training"][column] if column in row.get("training", {}) else row[column]
    if isinstance(found, Mapping):
        return found["value"], (found["low"], found["high"])
    return found, None


def _cell(row: Row, column: str, intervals: bool) -> str:
    value, interval = _value(row, column)
    if value is None:
        return "n/a"
    if isinstance(value, int | str):
        return str(value)
    digits = _digits(column)
    text = f"{value:.{digits}f}"
    if intervals and interval is not None:
        text += f" [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"
    return text


def _difference(test: Row | None, digits: int) -> str:
    if test is None:
        return "n/a"
    low, high = test["ci95"]
    values = (value + 0.0 for value in (test["difference"], low, high))  # no -0
    difference, low, high = (f"{value:+.{digits}f}" for value in values)
    return f"{difference} [{low}, {high}]"


def _rows(rows: Sequence[Row], columns: Sequence[str], options: Row) -> list[list[str]]:
    intervals = options.get("intervals") == "true"
    # A judge that one row was not shown to is empty there; one that none was shown to is a mistake.
    known = {name for row in rows for name in row.get("metrics", {})}
    rows = [
        {**row, "metrics": {**dict.fromkeys(known), **row["metrics"]}} if "metrics" in row else row
        for row in rows
    ]
    return [[row["system"], *(_cell(row, c, intervals) for c in columns)] for row in rows]


def _differences(rows: Sequence[Row], columns: Sequence[str], options: Row) -> list[list[str]]:
    """Differences from another row; bold where interval and test agree that it is not chance."""
    lines = []
    for row in rows:
        if "difference" not in row:
            continue
        cells = []
        for column in columns:
            test = row["difference"].get(column)
            text = _difference(test, _digits(column))
            cells.append(text if test is None or test["verdict"] == "tie" else f"**{text}**")
        lines.append([row["system"], *cells])
    return lines


def _paired(rows: Sequence[Row], columns: Sequence[str], options: Row) -> list[list[str]]:
    """One line a metric: our row against the best other one."""
    tests = next(row["paired"] for row in rows if "paired" in row)
    lines = []
    for column in columns:
        test, digits = tests[column], _digits(column)
        lines.append([
            HEADS[column], f"{test['ours']:.{digits}f}",
            f"{test['theirs']:.{digits}f} {test['baseline']}",
            _difference(test, digits), _p_value(test["p_holm"]), test["verdict"],
        ])  # fmt: skip
    return lines


def _runs(rows: Sequence[Row], columns: Sequence[str], options: Row) -> list[list[str]]:
    """Trainings: parameters and the loss on dev after so many steps."""
    return [
        [row["name"], f"{row['trained']:,} of {row['total']:,}"]
        + [f"{row['valid_loss'][step]:.3f}" for step in columns]
        for row in rows
    ]


def _losses(rows: Sequence[Row], columns: Sequence[str], options: Row) -> list[list[str]]:
    """One line a metric: what each stage loses, positive, or gains."""
    lines = []
    for metric in options["metrics"].split(","):
        losses = {r["stage"]: {**r, "difference": r["loss"]} for r in rows if r["metric"] == metric}
        cells = [_difference(losses[stage], _digits(metric)) for stage in columns]
        lines.append([HEADS[metric], *cells])
    return lines


def _leakage(rows: Row, columns: Sequence[str], options: Row) -> list[list[str]]:
    """One line a statistic: outputs against their own prompts and against the others."""
    lines = []
    for column in columns:
        test = rows["tests"][column]
        cells = [_cell(rows[part], column, True) for part in _leakage_parts(rows)]
        share = _cell({"share": rows["share"][column]}, "share", True)
        cells += [_p_value(test["p_holm"]), test["verdict"], share]
        lines.append([LEAKAGE_HEADS[column], *cells])
    return lines


def _leakage_parts(rows: Row) -> list[str]:
    """Those that were measured: nothing is beyond the control where there is none."""
    return [part for part in LEAKAGE if rows[part]]


def _p_value(p: float) -> str:
    """After Holm's correction."""
    if p >= 0.9995:
        return "1.000"
    return "< .001" if p < 1e-3 else f"{p:.3f}"[1:]


_VIEWS: Mapping[str, Callable[[Sequence[Row], Sequence[str], Row], list[list[str]]]] = {
    "rows": _rows,
    "differences": _differences,
    "paired": _paired,
    "losses": _losses,
    "leakage": _leakage,
    "runs": _runs,
}


def _heads(view: str, columns: Sequence[str], first: str, rows: Any) -> list[str]:
    if view == "paired":
        return ["metric", "ours", "best other", "difference, 95% interval", "p", "verdict"]
    if view == "runs":
        return [first, "trained parameters", *columns]
    if view == "losses":
        return [first, *columns]
    if view == "leakage":
        return [
            "difference of",
            *(LEAKAGE[part] for part in _leakage_parts(rows)),
            "p (Holm)",
            "verdict",
            "share followed",
        ]
    return [first, *(HEADS[c] for c in columns)]


def table(description: str, docs: Path) -> str:
    """The Markdown of one table.

    Args:
        description: What the opening comment says after `table`.
        docs: Folder that paths are relative to.

    Raises:
        KeyError: the JSON has no such row or column.
    """
    path, *words = shlex.split(description)
    options = dict(word.split("=", 1) for word in words)
    view = options.get("view", "rows")
    rows = json.loads((docs / path).read_text(encoding="utf-8"))
    if view == "losses":
        rows = rows[options["split"]]
    elif isinstance(rows, dict) and view != "leakage":
        rows = rows["runs" if view == "runs" else "scores"]
    if "stage" in options:
        rows = [row for row in rows if row["stage"] == options["stage"]]
    if "split" in options and view != "losses":
        rows = [row for row in rows if row["split"] == options["split"]]
    if "systems" in options:
        titles = dict(
            w.split("=", 1) if "=" in w else (w, w) for w in options["systems"].split(";")
        )
        by_name = {row["system"]: row for row in rows}
        rows = [{**by_name[name], "system": title} for name, title in titles.items()]
    columns = options["columns"].split(",")
    lines = _VIEWS[view](rows, columns, options)
    for line in lines:
        if line[0] == options.get("bold"):
            line[0] = f"**{line[0]}**"
    heads = _heads(view, columns, options.get("first", "system"), rows)
    head, *body = ("| " + " | ".join(cells) + " |\n" for cells in (heads, *lines))
    return head + "|---" * len(heads) + "|\n" + "".join(body)


def filled(text: str, docs: Path) -> str:
    """A page with every table made anew."""

    def fill(match: re.Match[str]) -> str:
        return match[1] + table(match[2], docs) + match[4]

    return _TABLE.sub(fill, text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    args = parser.parse_args()
    stale = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        text = page.read_text(encoding="utf-8")
        new = filled(text, ROOT / "docs")
        if new != text:
            stale.append(page.relative_to(ROOT))
            if not args.check:
                page.write_text(new, encoding="utf-8")
    for page in stale:
        print(f"{page}: {'not what its JSON says' if args.check else 'filled'}")
    return 1 if args.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
