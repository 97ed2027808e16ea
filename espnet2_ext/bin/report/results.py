"""Collect the scores of all systems and splits: results.json and RESULTS.md."""

import argparse
from pathlib import Path

from espnet2_ext.evaluation.table import collect, markdown
from espnet2_ext.files import write_json, write_text
from espnet2_ext.judges.quality import read_quality


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scores_dir", required=True, help="holds SYSTEM/SPLIT/summary.json")
    parser.add_argument("--judges_dir", help="says what the judges are worth")
    parser.add_argument("--out_dir", required=True, help="where the report is written")


def run(args: argparse.Namespace) -> None:
    quality = read_quality(args.judges_dir) if args.judges_dir else {}
    origin = {"synthetic": True} if quality.get("synthetic") else {}
    rows = [row | origin for row in collect(args.scores_dir)]
    write_json(Path(args.out_dir) / "results.json", rows)
    text = markdown(rows, quality)
    write_text(Path(args.out_dir) / "RESULTS.md", text)
    print(text)
