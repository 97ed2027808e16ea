"""Keep some utterances of a data directory."""

import argparse
from pathlib import Path

from espnet2_ext.bin.data._ids import read_ids
from espnet2_ext.errors import UserError
from espnet2_ext.lock import hold_to_the_end


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--in_dir", type=Path, required=True, help="data directory")
    parser.add_argument(
        "--out_dir", type=Path, required=True, help="data directory of what is kept"
    )
    parser.add_argument("--utt_list", type=Path, help="file whose lines begin with an id")
    parser.add_argument("--speakers", nargs="+", help="speakers that are kept; default: all")
    parser.add_argument("--number", type=int, help="keep at most so many: the first by id")
    parser.add_argument("--seed", type=int, help="draw them instead of taking the first")


def run(args: argparse.Namespace) -> None:
    from espnet2_ext.data import data_dir

    hold_to_the_end(args.out_dir)
    utts = read_ids(args.utt_list) if args.utt_list is not None else None
    if args.number is not None and args.number < 1:
        raise UserError("--number", str(args.number), "1 or more")
    kept = data_dir.subset(args.in_dir, args.out_dir, utts, args.speakers, args.number, args.seed)
    print(f"{args.out_dir}: {len(kept)} kept")
