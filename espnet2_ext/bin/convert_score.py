"""Convert a score from one format to another; the suffixes say which.

``python -m espnet2_ext.bin.convert_score song.ustx song.musicxml --lang zh``

What the new file cannot hold is named in one warning.
"""

import argparse
import logging

from espnet2_ext.errors import cli


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("input", metavar="IN", help="score to read; FILE#ID for one of several")
    parser.add_argument("output", metavar="OUT", help="score to write")
    parser.add_argument("--lang", help="language of the lyrics (ISO 639); zh where none is written")
    parser.add_argument("--part", help="part of a score with several: its name or number from 1")
    parser.add_argument("--voice", help="voice of that part")
    parser.add_argument("--verse", type=int, help="verse of the lyrics, from 1")
    parser.add_argument(
        "--score", help="score of a mono label; by default the one of its name beside it"
    )
    parser.add_argument("--lyrics", help="for MIDI without lyrics: a syllable a note, - for a slur")
    return parser


@cli
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    from espnet2_ext.score.formats.read import read_score
    from espnet2_ext.score.formats.write import write_score

    options = {"part": args.part, "voice": args.voice, "verse": args.verse, "lyrics": args.lyrics}
    score = read_score(args.input, language=args.lang, score=args.score, **options)
    lost = write_score(args.output, score)
    if lost:
        logging.warning("%s does not hold: %s", args.output, "; ".join(lost))
    print(args.output)


if __name__ == "__main__":
    main()
