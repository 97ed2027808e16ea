"""Write what each scored system differs by from one of them: TABLE.json and TABLE.md.

Differences are over the same utterances, with 95% intervals (songs drawn with replacement, or
singers); bold ones are told from chance by Wilcoxon's signed-rank test too, after Holm's correction
over the whole table.
"""

import argparse
from pathlib import Path

from espnet2_ext.errors import UserError


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scores_dir", type=Path, required=True, help="SYSTEM/SPLIT of bin.score")
    parser.add_argument("--split", nargs="+", default=["dev"], help="one table of all of them")
    parser.add_argument("--systems", nargs="+", required=True, help="rows, in order")
    parser.add_argument("--against", required=True, help="the row that the others are held against")
    parser.add_argument(
        "--by", choices=("song", "singer"), default="song", help="what intervals and tests count"
    )
    parser.add_argument(
        "--data_dirs", type=Path, nargs="+", default=[], help="of the splits, for --by singer"
    )
    parser.add_argument(
        "--metrics", nargs="+", help="tested and shown; default: those of every table"
    )
    parser.add_argument(
        "--exp_dirs", type=Path, nargs="+", default=[],
        help="of the systems' trainings, in their order: what each cost goes into the JSON",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="TABLE.json; TABLE.md beside it")


def run(args: argparse.Namespace) -> None:
    from espnet2_ext.evaluation.ablation import (
        SHOWN,
        ablation_markdown,
        ablation_rows,
        metrics_of,
    )
    from espnet2_ext.evaluation.measures import METRICS
    from espnet2_ext.files import read_json, read_table, write_json, write_text
    from espnet2_ext.train.training_record import RECORD

    singers = None
    if args.by == "singer":
        if not args.data_dirs:
            raise UserError("--data_dirs", "missing beside --by singer", "those of the splits")
        singers = {u: s for d in args.data_dirs for u, s in read_table(d / "utt2spk").items()}
    if args.exp_dirs and len(args.exp_dirs) != len(args.systems):
        found = f"{len(args.exp_dirs)} folders"
        raise UserError("--exp_dirs", found, f"{len(args.systems)}, one of each system")
    metrics = metrics_of(args.metrics) if args.metrics else METRICS
    rows = ablation_rows(args.scores_dir, args.split, args.systems, args.against, singers, metrics)
    trained = dict(zip(args.systems, args.exp_dirs, strict=False))
    for row in rows:
        if row["system"] in trained:
            row["training"] = read_json(trained[row["system"]] / RECORD)
    write_json(args.out, rows)
    text = ablation_markdown(rows, args.against, args.metrics or SHOWN)
    write_text(args.out.with_suffix(".md"), text)
    print(text)
