"""Have the tables of a recipe's folders that were copied or moved name the files that came along.

``python -m espnet2_ext.bin.relocate data dump exp``; run.sh does so by itself.
"""

import argparse
from pathlib import Path

from espnet2_ext.errors import UserError


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", type=Path, nargs="+", help="data, dump and exp of one recipe")


def run(args: argparse.Namespace) -> None:
    from espnet2_ext.relocation import relocate

    for folder in args.folders:
        if not folder.is_dir():
            raise UserError(folder, "no such folder")
    print(f"{relocate(args.folders)} tables name the files here now")
