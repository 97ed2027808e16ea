"""Join several data directories."""

import argparse
from pathlib import Path

from espnet2_ext.lock import hold_to_the_end


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--in_dirs",
        type=Path,
        nargs="+",
        required=True,
        help="data directories, whose utterances all have ids of their own",
    )
    parser.add_argument(
        "--out_dir", type=Path, required=True, help="data directory of all utterances"
    )


def run(args: argparse.Namespace) -> None:
    from espnet2_ext.data import data_dir

    hold_to_the_end(args.out_dir)
    number = data_dir.combine(args.in_dirs, args.out_dir)
    print(f"{args.out_dir}: {number} utterances")
