"""Make the embedded synthetic corpus of songs with accompaniment, speech and dialogues."""

import argparse
import logging
import time

from espnet2_ext.errors import UserError, cli


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True, help="corpus directory, new or to be continued")
    parser.add_argument("--song_minutes", type=float, default=60, help="songs in all sets (min)")
    parser.add_argument(
        "--speech_minutes", type=float, default=30, help="speech and dialogues in all sets (min)"
    )
    parser.add_argument("--speakers", type=int, default=24, help="speakers, who sing too")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fs", type=int, default=24000, help="sampling rate (Hz)")
    parser.add_argument(
        "--soundfont", metavar="FILE",
        help="SoundFont that plays the instruments, with the package tinysoundfont",
    )  # fmt: skip
    parser.add_argument("--nj", type=int, default=2, help="processes; the corpus does not depend")
    return parser


@cli
def main(argv: list[str] | None = None) -> None:
    args = vars(get_parser().parse_args(argv))
    out, nj = args.pop("out"), args.pop("nj")
    from espnet2_ext.corpora.mini_song.config import SongConfig
    from espnet2_ext.corpora.mini_song.making import make_corpus

    if nj < 1:
        raise UserError("--nj", str(nj), "1 or more")
    try:
        config = SongConfig(**args)
    except ValueError as error:
        raise UserError("options", str(error)) from None
    start = time.monotonic()
    if make_corpus(out, config, nj):
        logging.info("%s: made in %.0f s", out, time.monotonic() - start)
    else:
        logging.info("%s: complete already, nothing to do", out)


if __name__ == "__main__":
    main()
