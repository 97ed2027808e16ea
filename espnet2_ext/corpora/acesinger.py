"""ACE-Opencpop, in either of its forms: the hub's parquet shards, or the raw release."""

import argparse
from pathlib import Path

from espnet2_ext.corpora import acesinger_parquet, acesinger_raw
from espnet2_ext.corpora.preparer import MAX_BAD, PreparedSet

WHERE = "the raw release, or a folder whose parquet/ holds shards; else they are fetched"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``bin.prepare acesinger``."""
    parser.add_argument(
        "--vocals", choices=("lyrics", "no_lyrics"), default="lyrics", help="of the raw release"
    )


def prepare(
    corpus: str | Path, out: str | Path, max_bad: float = MAX_BAD, vocals: str = "lyrics"
) -> tuple[PreparedSet, ...]:
    """Write ``out/{train,validation,test}`` from whichever form `corpus` holds.

    Args:
        corpus: The raw release (``segments``, ``raw_data``, ``lyrics``, ``no_lyrics``), or a folder
            whose ``parquet`` holds the hub's shards; without either they are fetched from the hub.
        out: Parent of the data directories.
        max_bad: Share of the lines that may be bad; they are named in ``out/rejected.txt``.
        vocals: ``lyrics`` or ``no_lyrics``, of the raw release.

    Raises:
        UserError: no form of the corpus is there, or too many lines are bad.
    """
    corpus = Path(corpus)
    if (corpus / "segments").is_dir():
        return acesinger_raw.prepare(corpus, out, max_bad, vocals)
    return acesinger_parquet.prepare(corpus, out, max_bad)
