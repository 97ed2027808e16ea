"""Keep utterances of some lengths, and not those of a list."""

import argparse
from pathlib import Path

from espnet2_ext.bin.data._ids import read_ids
from espnet2_ext.lock import hold_to_the_end


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--in_dir", type=Path, required=True, help="data directory")
    parser.add_argument(
        "--out_dir", type=Path, required=True, help="data directory of what is kept"
    )
    parser.add_argument("--min_sec", type=float, help="shortest utterance that is kept (s)")
    parser.add_argument("--max_sec", type=float, help="longest utterance that is kept (s)")
    parser.add_argument("--exclude", type=Path, help="file whose lines begin with an id: dropped")


def run(args: argparse.Namespace) -> None:
    from espnet2_ext.data import data_dir

    hold_to_the_end(args.out_dir)
    exclude = read_ids(args.exclude) if args.exclude is not None else []
    dropped = data_dir.filter_by_length(
        args.in_dir, args.out_dir, args.min_sec, args.max_sec, exclude
    )
    print(f"{args.out_dir}: {len(dropped)} dropped")
