"""Stage 2: resample audio, mix to one file per utterance, check it, copy the other tables."""

import argparse
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.lock import hold_to_the_end


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--in_dir", type=Path, required=True, help="data directory")
    parser.add_argument("--out_dir", type=Path, required=True, help="data directory to write")
    parser.add_argument("--fs", type=int, default=24000, help="sampling rate in Hz")
    parser.add_argument("--nj", type=int, default=1, help="processes")


def run(args: argparse.Namespace) -> None:
    from espnet2_ext.audio.format import format_data_dir

    if args.fs < 1 or args.nj < 1:
        raise UserError("--fs, --nj", f"{args.fs}, {args.nj}", "positive numbers")
    hold_to_the_end(args.out_dir)
    written = format_data_dir(args.in_dir, args.out_dir, args.fs, args.nj)
    print(f"{args.out_dir}: {written} files written")
