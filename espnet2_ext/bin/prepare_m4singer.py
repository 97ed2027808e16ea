"""Prepare M4Singer, and OpenSinger as its prompts, as ESPnet SVS data directories."""

import argparse
from pathlib import Path

from espnet2_ext.errors import cli
from espnet2_ext.lock import hold_to_the_end


def get_parser() -> argparse.ArgumentParser:
    from espnet2_ext.corpora.m4singer import SPLITS
    from espnet2_ext.corpora.preparer import preparer_parser
    from espnet2_ext.score.formats.m4singer import NOTE_DURATIONS

    parser = preparer_parser(__doc__, "directory that holds meta.json")
    parser.add_argument("--split", choices=SPLITS, default=SPLITS[0], help="which published split")
    parser.add_argument(
        "--phones", choices=("opencpop", "own"), default="opencpop", help="phone set to write"
    )
    parser.add_argument(
        "--note_durations",
        choices=NOTE_DURATIONS,
        default=NOTE_DURATIONS[0],
        help="whether notes_dur of a syllable's phones add up to its note, or repeat it",
    )
    parser.add_argument(
        "--prompts", type=Path, help="directory of OpenSinger: sets opensinger, test_opensinger"
    )
    return parser


@cli
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    from espnet2_ext.corpora.m4singer import prepare

    hold_to_the_end(args.out)
    prepare(
        args.corpus,
        args.out,
        args.split,
        args.phones == "own",
        args.note_durations,
        args.prompts,
        args.max_bad,
    )


if __name__ == "__main__":
    main()
