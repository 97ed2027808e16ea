"""Write what each scored system differs by from one of them: TABLE.json and TABLE.md.

Differences are over the same utterances, with 95% intervals (utterances drawn with replacement);
bold ones are told from chance by Wilcoxon's signed-rank test too.
"""

import argparse
from pathlib import Path


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scores_dir", type=Path, required=True, help="SYSTEM/SPLIT of bin.score")
    parser.add_argument("--split", default="dev")
    parser.add_argument("--systems", nargs="+", required=True, help="rows, in order")
    parser.add_argument("--against", required=True, help="the row that the others are held against")
    parser.add_argument("--out", type=Path, required=True, help="TABLE.json; TABLE.md beside it")


def run(args: argparse.Namespace) -> None:
    from espnet2_ext.evaluation.ablation import ablation_markdown, ablation_rows
    from espnet2_ext.files import write_json, write_text

    rows = ablation_rows(args.scores_dir, args.split, args.systems, args.against)
    write_json(args.out, rows)
    text = ablation_markdown(rows, args.against)
    write_text(args.out.with_suffix(".md"), text)
    print(text)
