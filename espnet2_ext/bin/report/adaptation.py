"""Collect adaptation runs: adaptation.json and ADAPTATION.md (see run_adaptation.sh)."""

import argparse
from dataclasses import asdict
from pathlib import Path

from espnet2_ext.evaluation.adaptation import markdown, read_run
from espnet2_ext.evaluation.table import collect
from espnet2_ext.files import write_json, write_text


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--exp_dirs", type=Path, nargs="+", required=True, help="in order of rows")
    parser.add_argument("--prefix", default="", help="of the folders' names, not of the rows'")
    parser.add_argument("--scores_dir", required=True, help="holds ROW/SPLIT/summary.json")
    parser.add_argument("--out_dir", type=Path, required=True, help="where the report is written")


def run(args: argparse.Namespace) -> None:
    runs = [read_run(path, args.prefix) for path in args.exp_dirs]
    scores = collect(args.scores_dir)
    text = markdown(runs, scores)
    write_json(
        args.out_dir / "adaptation.json", {"runs": [asdict(run) for run in runs], "scores": scores}
    )
    write_text(args.out_dir / "ADAPTATION.md", text)
    print(text)
