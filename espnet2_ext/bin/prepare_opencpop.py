"""Prepare Opencpop, or a corpus in its layout, as ESPnet SVS data directories."""

import argparse

from espnet2_ext.errors import cli
from espnet2_ext.lock import hold_to_the_end


def get_parser() -> argparse.ArgumentParser:
    from espnet2_ext.corpora.preparer import preparer_parser

    parser = preparer_parser(__doc__, "directory that holds segments/ and raw_data/midis/")
    parser.add_argument(
        "--dev_songs", type=int, default=5, help="songs of train for dev where there is no dev.txt"
    )
    return parser


@cli
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    from espnet2_ext.corpora.opencpop import prepare

    hold_to_the_end(args.out)
    prepare(args.corpus, args.out, args.dev_songs, args.max_bad)


if __name__ == "__main__":
    main()
