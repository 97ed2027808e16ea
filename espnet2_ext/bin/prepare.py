"""Prepare a corpus as ESPnet SVS data directories: ``prepare CORPUS --corpus DIR --out data``."""

import argparse
import sys

from espnet2_ext.errors import cli
from espnet2_ext.lock import hold_to_the_end


def get_parser() -> argparse.ArgumentParser:
    from espnet2_ext.corpora.registry import CORPORA

    parser = argparse.ArgumentParser(
        description=__doc__.partition(":")[0], epilog="prepare CORPUS --help: a corpus' own options"
    )
    parser.add_argument("name", choices=CORPORA, metavar="CORPUS", help=", ".join(CORPORA))
    return parser


@cli
def main(argv: list[str] | None = None) -> None:
    argv = sys.argv[1:] if argv is None else argv
    name = get_parser().parse_args(argv[:1]).name
    from espnet2_ext.corpora.preparer import preparer_parser
    from espnet2_ext.corpora.registry import corpus_module

    corpus = corpus_module(name)
    parser = preparer_parser(corpus)
    args = parser.parse_args(argv[1:])
    hold_to_the_end(args.out)
    corpus.prepare(**vars(args))


if __name__ == "__main__":
    main()
