"""Prepare GTSinger, of which languages you like, as ESPnet SVS data directories."""

import argparse

from espnet2_ext.errors import cli
from espnet2_ext.lock import hold_to_the_end


def get_parser() -> argparse.ArgumentParser:
    from espnet2_ext.corpora.preparer import preparer_parser

    parser = preparer_parser(__doc__, "directory that holds Chinese/, English/, ...")
    parser.add_argument(
        "--languages", nargs="*", default=[], metavar="CODE", help="zh en ...; all that are there"
    )
    parser.add_argument(
        "--phones", choices=("lyrics", "own"), default="lyrics", help="phone set to write"
    )
    parser.add_argument(
        "--download", action="store_true", help="fetch what is missing from the Hugging Face hub"
    )
    return parser


@cli
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    from espnet2_ext.corpora.gtsinger import download, prepare

    hold_to_the_end(args.out)
    if args.download:
        download(args.corpus, args.languages)
    prepare(args.corpus, args.out, args.languages, args.phones == "own", args.max_bad)


if __name__ == "__main__":
    main()
