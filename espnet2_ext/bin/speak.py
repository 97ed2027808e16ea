"""Speak a text as a description says, with a packed model: speech, or a dialogue of two.

``python -m espnet2_ext.bin.speak "hello" --model pack.zip --instruction "A young man." -o a.wav``
"""

import argparse
import logging
import sys
from pathlib import Path

from espnet2_ext.bin._singing import add_described, add_pack, check_seconds
from espnet2_ext.errors import UserError, cli
from espnet2_ext.files import require_writable


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "text", help="words; of a dialogue with [S0] and [S1] before each speaker's"
    )
    add_pack(parser)
    add_described(parser, required=True)
    parser.add_argument("-o", "--output", required=True, type=Path, help="wav to write")
    return parser


@cli
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    if args.output.suffix.lower() != ".wav":
        raise UserError(args.output, f"suffix {args.output.suffix!r}", ".wav", "-o")
    check_seconds(args.seconds)
    require_writable(args.output)
    from espnet2_ext.data.lyric_symbols import lyric_symbols

    lyric_symbols(args.text, "text")  # what cannot be read is refused before a model is loaded
    from espnet2_ext.inference.described_synthesizer import DescribedSynthesizer

    synthesizer = DescribedSynthesizer.from_pretrained(
        args.model, args.device, args.offline, args.dtype
    )
    spoken = synthesizer.speak(args.text, args.instruction, args.seconds, args.seed)
    spoken.save(args.output)
    logging.info("%s: %.2f s", args.output, len(spoken.wav) / spoken.fs)
    print(args.output, file=sys.stdout)


if __name__ == "__main__":
    main()
