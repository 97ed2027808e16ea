"""Sing some bars of a take again, with other words or notes, and keep the rest of it.

``python -m espnet2_ext.bin.edit take.wav --score song.musicxml --with new.musicxml --bars 3-4
--model pack.zip -o edited.wav``
"""

import argparse
import logging
import re
import sys
from pathlib import Path

from espnet2_ext.bin._singing import (
    add_pack,
    add_score,
    add_voice,
    read_prompt,
    score_options,
    split_voices,
)
from espnet2_ext.errors import UserError, cli
from espnet2_ext.files import require_writable

MUSICXML = (".musicxml", ".xml", ".mxl")
_BARS = re.compile(r"([1-9]\d{0,5})(?:-([1-9]\d{0,5}))?")
_SECONDS = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)-(\d{1,6}(?:\.\d{1,6})?)")


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("take", type=Path, help="audio at the pack's rate, such as `sing` writes")
    add("--score", required=True, help="what the take sings")
    add("--with", dest="new_score", help="what to sing; default: the same, in another way")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--bars", help="3 or 3-4, of a MusicXML, counted from 1 as they are played")
    where.add_argument("--seconds", help="4.1-7.9: the notes that begin within")
    add("-o", "--output", required=True, type=Path, help="wav to write")
    add_pack(parser)
    add_voice(parser, "the take's own voice")
    add_score(parser)
    return parser


def time_of(args: argparse.Namespace) -> tuple[float, float]:
    """Begin and end (s) of what ``--bars`` or ``--seconds`` names.

    Raises:
        UserError: another form, bars of a score that has none, or that it does not have.
    """
    if args.seconds is not None:
        match = _SECONDS.fullmatch(args.seconds)
        if match is None or not float(match[1]) < float(match[2]):
            raise UserError("--seconds", args.seconds, "BEGIN-END, such as 4.1-7.9")
        return float(match[1]), float(match[2])
    match = _BARS.fullmatch(args.bars)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if first > last:
        raise UserError("--bars", args.bars, "FIRST-LAST, such as 3-4")
    if Path(args.score).suffix.lower() not in MUSICXML:
        expected = "a MusicXML; of another format give --seconds"
        raise UserError(args.score, "no bars are read of it", expected, "--bars")
    from espnet2_ext.score.formats.musicxml import read_bars

    bars = read_bars(args.score, args.part, args.voice, args.verse)
    if last >= len(bars):
        raise UserError(args.score, f"{len(bars) - 1} bars", f"bar {last}", "--bars")
    return bars[first - 1], bars[last]


@cli
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    split_voices(args, "edit")
    if args.output.suffix.lower() != ".wav":
        raise UserError(args.output, f"suffix {args.output.suffix!r}", ".wav", "-o")
    require_writable(args.output)
    start_sec, end_sec = time_of(args)
    from espnet2_ext.inference.pack_about import MANIFEST, PHONES, PackAbout
    from espnet2_ext.inference.pack_hub import locate
    from espnet2_ext.score.formats.read import read_score

    about = PackAbout.read(locate(args.model, args.offline, only=[MANIFEST, PHONES]))
    options = {**score_options(args), "language": args.lang}
    score, new_score = (
        path and read_score(path, **options, default_language=about.only_language)
        for path in (args.score, args.new_score)
    )
    places = (args.score, args.new_score or args.score)
    for read, place in zip((score, new_score or score), places, strict=True):
        about.prepare(read, place, args.singer)
    prompt = read_prompt(args)
    from espnet2_ext.inference.edit import sing_again
    from espnet2_ext.inference.synthesizer import SingingSynthesizer

    synthesizer = SingingSynthesizer.from_pretrained(
        args.model, args.device, args.offline, dtype=args.dtype
    )
    edited = sing_again(
        synthesizer, args.take, score, start_sec, end_sec, new_score,
        args.singer, prompt, args.seed, places,
    )  # fmt: skip
    edited.save(args.output)
    times = [frame / synthesizer.fps for frame in (edited.begin_frame, edited.end_frame)]
    logging.info("%s: sung again from %.2f to %.2f s", args.output, *times)
    print(args.output, file=sys.stdout)


if __name__ == "__main__":
    main()
