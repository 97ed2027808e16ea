"""Complete a manifest of songs: stems by Demucs, lyrics by Whisper, where they are missing."""

import argparse
import logging
from pathlib import Path

from espnet2_ext.errors import UserError, cli


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--manifest", type=Path, required=True, help="JSON Lines, docs/mini_song.md"
    )
    parser.add_argument("--out", type=Path, required=True, help="manifest to write")
    parser.add_argument("--separate", action="store_true", help="mixes without stems, by demucs")
    parser.add_argument(
        "--transcribe", action="store_true", help="what has no lyrics, by openai-whisper"
    )
    return parser


@cli
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    if not (args.separate or args.transcribe):
        raise UserError("options", "nothing to do", "--separate, --transcribe or both")
    from espnet2_ext.corpora.manifest_completion import complete

    number = complete(args.manifest, args.out, args.separate, args.transcribe)
    logging.info("%s: %d lines completed", args.out, number)


if __name__ == "__main__":
    main()
