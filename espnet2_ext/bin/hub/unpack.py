"""Unpack a packed model into a folder, checking every member."""

import argparse
from pathlib import Path

from espnet2_ext.archive import extract
from espnet2_ext.errors import UserError


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pack", type=Path, help="archive of a packed model")
    parser.add_argument("folder", type=Path, help="new or empty folder")


def run(args: argparse.Namespace) -> None:
    if args.folder.exists() and (not args.folder.is_dir() or any(args.folder.iterdir())):
        raise UserError(args.folder, "already there", "a new or empty folder")
    print(extract(args.pack, args.folder))
