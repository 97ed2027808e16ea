"""Split a data directory into OUT_DIR/1 .. OUT_DIR/N."""

import argparse
from pathlib import Path

from espnet2_ext.lock import hold_to_the_end


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--in_dir", type=Path, required=True, help="data directory")
    parser.add_argument(
        "--out_dir", type=Path, required=True, help="holds a data directory for each part"
    )
    parser.add_argument("--number", type=int, required=True, help="parts")


def run(args: argparse.Namespace) -> None:
    from espnet2_ext.data import data_dir

    hold_to_the_end(args.out_dir)
    parts = [args.out_dir / str(i) for i in range(1, args.number + 1)]
    sizes = data_dir.split(args.in_dir, parts)
    print(f"{args.out_dir}: {len(sizes)} parts of {min(sizes)} to {max(sizes)} utterances")
