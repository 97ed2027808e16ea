"""Unpack a packed model into a folder, checking every member."""

import argparse
from pathlib import Path

from espnet2_ext.archive import extract
from espnet2_ext.errors import UserError, cli


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pack", type=Path)
    parser.add_argument("folder", type=Path, help="new or empty folder")
    return parser


@cli
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    if args.folder.exists() and (not args.folder.is_dir() or any(args.folder.iterdir())):
        raise UserError(args.folder, "already there", "a new or empty folder")
    print(extract(args.pack, args.folder))


if __name__ == "__main__":
    main()
