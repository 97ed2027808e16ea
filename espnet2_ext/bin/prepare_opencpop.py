"""Prepare Opencpop, or a corpus in its layout, as ESPnet SVS data directories."""

import argparse

from espnet2_ext.errors import cli


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", required=True, help="directory that holds segments/")
    parser.add_argument("--out", default="data", help="parent of the data directories")
    parser.add_argument(
        "--dev_songs", type=int, default=5, help="songs of train for dev where there is no dev.txt"
    )
    return parser


@cli
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    from espnet2_ext.corpora.opencpop import prepare

    prepare(args.corpus, args.out, args.dev_songs)


if __name__ == "__main__":
    main()
