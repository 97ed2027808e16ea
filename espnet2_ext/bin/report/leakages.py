"""Collect the leakage tables of several systems into one: LEAKAGES.json and LEAKAGES.md.

Reads DIR/SYSTEM/SET/leakage.json, as `report leakage` writes it of outputs, and
DIR/SYSTEM/octave/prompt_shift.json, as it writes it of a pack. A row of each system and set says by
how much more the outputs resemble their own prompt than another, beyond the control where there is
one; the rows of ``octave`` how far the output follows a prompt that is an octave higher.
"""

import argparse
from pathlib import Path
from typing import Any

from espnet2_ext.evaluation.prosody import STATISTICS

OCTAVE = "octave"
SHIFTS = ("shift_cents", "median_cents", "prompt_cents", "share")


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--dir", type=Path, required=True, help="holds SYSTEM/SET/leakage.json")
    add("--systems", nargs="+", required=True, help="rows, in order")
    add("--splits", nargs="*", default=[], help="sets of each system; none: octave prompts alone")
    add("--out", type=Path, required=True, help="LEAKAGES.json; LEAKAGES.md beside it")


def run(args: argparse.Namespace) -> None:
    from espnet2_ext.files import read_json, write_json, write_text

    rows = [
        _row(system, split, read_json(args.dir / system / split / "leakage.json"))
        for split in args.splits
        for system in args.systems
    ]
    for system in args.systems:
        shift = read_json(args.dir / system / OCTAVE / "prompt_shift.json")
        rows.append({"system": system, "split": OCTAVE, "n_utt": shift["n_utt"]})
        rows[-1] |= {name: shift[name] for name in SHIFTS}
    write_json(args.out, rows)
    text = _markdown(rows)
    write_text(args.out.with_suffix(".md"), text)
    print(text)


def _row(system: str, split: str, table: dict[str, Any]) -> dict[str, Any]:
    """One line: the excess of each statistic, and in how many the test sees a leak."""
    leaks = sum(test["verdict"] == "leaks" for test in table["tests"].values())
    row = {"system": system, "split": split, "n_utt": table["n_utt"], "leaks": leaks}
    return row | {m.name: (table["beyond"] or table["excess"])[m.name] for m in STATISTICS}


def _markdown(rows: list[dict[str, Any]]) -> str:
    heads = {metric.name: metric.head for metric in STATISTICS} | {name: name for name in SHIFTS}
    lines = []
    for columns in (tuple(metric.name for metric in STATISTICS), SHIFTS):
        lines.append("| system | set | " + " | ".join(heads[name] for name in columns) + " |")
        lines.append("|---" * (len(columns) + 2) + "|")
        for row in rows:
            if columns[0] in row:
                cells = ["{value:.3f} [{low:.3f}, {high:.3f}]".format(**row[c]) for c in columns]
                lines.append(f"| {row['system']} | {row['split']} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)
