"""Prepare ACE-Opencpop, from parquet shards or the raw release, as ESPnet SVS data directories."""

import argparse

from espnet2_ext.errors import cli
from espnet2_ext.lock import hold_to_the_end


def get_parser() -> argparse.ArgumentParser:
    from espnet2_ext.corpora.preparer import preparer_parser

    parser = preparer_parser(
        __doc__, "the raw release, or a folder whose parquet/ holds shards; else they are fetched"
    )
    parser.add_argument(
        "--vocals", choices=("lyrics", "no_lyrics"), default="lyrics", help="of the raw release"
    )
    return parser


@cli
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    from espnet2_ext.corpora.acesinger import prepare

    hold_to_the_end(args.out)
    prepare(args.corpus, args.out, args.max_bad, args.vocals)


if __name__ == "__main__":
    main()
