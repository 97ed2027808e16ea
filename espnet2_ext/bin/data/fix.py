"""Sort a data directory, and drop utterances that a table or their audio lacks."""

import argparse
from pathlib import Path

from espnet2_ext.lock import hold_to_the_end


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--in_dir", type=Path, required=True, help="data directory")
    parser.add_argument(
        "--out_dir",
        type=Path,
        required=True,
        help="sorted copy without utterances that a table lacks",
    )


def run(args: argparse.Namespace) -> None:
    from espnet2_ext.data import data_dir

    hold_to_the_end(args.out_dir)
    dropped = data_dir.fix(args.in_dir, args.out_dir)
    print(f"{args.out_dir}: {len(dropped)} dropped")
