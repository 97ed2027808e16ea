"""The rows of a result table: how they are rendered, and where they are for scoring.

Reads the recipe's settings, lines NAME=VALUE, from standard input (utils/rows.sh).
  plan    the steps that make the rows' tokens, features and wavs, in order, for utils/steps.sh:
          each is a number of words and these words, with a zero byte after each
  table   writes systems.tsv, and prints the folder of each line's wavs
  models  prints the models of rows that earlier runs have made
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

from espnet2_ext.errors import UserError, cli
from espnet2_ext.evaluation.rendering import PARTS, Plan
from espnet2_ext.evaluation.row_table import (
    beside_others,
    entry_of,
    read_registry,
    write_registry,
    write_systems,
)
from espnet2_ext.evaluation.rows import RECORDINGS, Row, of_run, read_rows, with_baselines
from espnet2_ext.evaluation.settings import Settings


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    rows = argparse.ArgumentParser(add_help=False)
    rows.add_argument("--table", default="results", help="of the settings' systems_config")
    rows.add_argument("--rows", nargs="+", help="of the table; default: all")
    rows.add_argument("--set", required=True, help="of dump/tokens/SET")
    rows.add_argument("--out", type=Path, help="put all there, under the rows' names")
    rows.add_argument("--baseline", nargs=2, action="append", default=[], metavar=("NAME", "DIR"))
    rows.add_argument(
        "--baseline_f0", default="predictor", help="of their mels; NAME=SOURCE: of one"
    )
    commands = parser.add_subparsers(dest="command", required=True)
    plan = commands.add_parser("plan", parents=[rows])
    plan.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    plan.add_argument("--sing", action="store_true", help="only what the run's speech LM sings")
    table = commands.add_parser("table", parents=[rows])
    table.add_argument("--splits", nargs="+", required=True)
    table.add_argument("--scores_dir", type=Path, help="holds rows of earlier runs: keep them")
    table.add_argument("--systems", type=Path, required=True, help="systems.tsv to write")
    models = commands.add_parser("models")
    models.add_argument("--scores_dir", type=Path, required=True)
    models.add_argument("--but", nargs="*", default=[], help="models to leave out")
    return parser


@cli
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    run = Settings.parse(sys.stdin)
    if args.command == "models":
        found = [m for e in read_registry(args.scores_dir).values() for m in e["models"]]
        print_lines(m for m in dict.fromkeys(found) if m not in args.but and Path(m).is_dir())
        return
    plan = Plan(run, args.set, args.out)
    if args.command == "plan":
        if args.sing:
            plan.sing()
        else:
            for row in _rows(run, args):
                plan.render(row)
        for record in plan.records(args.parts):
            sys.stdout.write("".join(f"{word}\0" for word in (len(record), *record)))
        return
    rows = _rows(run, args)
    entries = {row.name: entry_of(plan.render(row), row.timing) for row in rows}
    own = set(entries)
    if args.scores_dir:
        entries = beside_others(entries, read_registry(args.scores_dir), bool(run["row"]))
    raw = Path(run["dumpdir"]) / "raw"
    print_lines(write_systems(args.systems, entries, own, raw, args.splits))
    if args.scores_dir:
        write_registry(args.scores_dir, entries)


def print_lines(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


def _rows(run: Settings, args: argparse.Namespace) -> list[Row]:
    """The rows asked for; of a run with ``--row``, that one, and the recordings."""
    rows = read_rows(run["systems_config"], args.table)
    rows = with_baselines(rows, [(n, Path(d)) for n, d in args.baseline], args.baseline_f0)
    if run["row"]:
        return [row for row in rows if row.wav == RECORDINGS] + of_run(rows, run["row"])
    if args.rows is None:
        return rows
    named = {row.name: row for row in rows}
    for name in args.rows:
        if name not in named:
            raise UserError(run["systems_config"], f"no row {name!r}", "one of " + ", ".join(named),
                            args.table)  # fmt: skip
    return [named[name] for name in args.rows]


if __name__ == "__main__":
    main()
