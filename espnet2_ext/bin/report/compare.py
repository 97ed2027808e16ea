"""Write a table of scored systems with a paired test of one against the best of others.

TABLE.json has the form of results.json; the tested system's row says under "paired", for each
metric, which baseline is best at it, the difference over the same utterances with its 95%
interval, the p-value of Wilcoxon's signed-rank test and the verdict. TABLE.md is the same to read.
"""

import argparse
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scores_dir", type=Path, required=True, help="SYSTEM/SPLIT of bin.score")
    parser.add_argument("--split", default="test", help="evaluated set")
    parser.add_argument("--systems", nargs="+", required=True, help="rows, in order")
    parser.add_argument("--ours", help="the row that is tested")
    parser.add_argument("--baselines", nargs="*", default=[], help="rows that it is tested against")
    parser.add_argument("--out", type=Path, required=True, help="TABLE.json; TABLE.md beside it")


def run(args: argparse.Namespace) -> None:
    from espnet2_ext.evaluation.comparison import compare_systems, markdown
    from espnet2_ext.files import write_json, write_text

    table = compare_systems(args.scores_dir, args.split, args.systems, args.ours, args.baselines)
    write_json(args.out, table.rows)
    text = markdown(table)
    write_text(args.out.with_suffix(".md"), text)
    print(text)
