"""Sing a score with a packed model.

``python -m espnet2_ext.bin.sing song.musicxml --model pack.zip --singer NAME -o song.wav``

A pack of InstructAudio takes a description in place of a singer: ``--instruction TEXT``.
"""

import argparse
import logging
import sys
from pathlib import Path

from espnet2_ext.bin._singing import (
    add_described,
    add_pack,
    add_score,
    add_voice,
    check_seconds,
    read_prompt,
    score_options,
    split_voices,
)
from espnet2_ext.errors import UserError, cli
from espnet2_ext.files import require_writable

REQUIRED = ("mel_config", "phone_list", "token_list")


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("score", help="a score of any format: see docs/scores.md")
    add_pack(parser)
    for name in REQUIRED:
        parser.add_argument(f"--{name}", type=Path, help="refuse a pack with another")
    add_voice(parser, "the first")
    parser.add_argument("-o", "--output", required=True, type=Path, help="wav to write")
    add_score(parser)
    add_described(parser)
    parser.add_argument("--semitones", type=int, default=0, help="transposition")
    parser.add_argument(
        "--timing",
        choices=("auto", "label", "model"),
        default="auto",
        help="phone times: the score's own, predicted, or the first where there are any",
    )
    parser.add_argument(
        "--onset",
        choices=("corpus", "vowel", "consonant"),
        default="corpus",
        help="what falls on the beat; corpus: as the label or the duration model has it",
    )
    parser.add_argument("--score_out", type=Path, help="JSON to write: the score as timed")
    return parser


@cli
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    split_voices(args, "sing")
    if args.output.suffix.lower() != ".wav":
        raise UserError(args.output, f"suffix {args.output.suffix!r}", ".wav", "-o")
    if args.score_out and args.score_out.suffix.lower() != ".json":
        raise UserError(args.score_out, f"suffix {args.score_out.suffix!r}", ".json", "--score_out")
    for path in filter(None, (args.output, args.score_out)):
        require_writable(path)
    if args.instruction is not None or args.seconds is not None:
        return _sing_described(args)
    from espnet2_ext.inference.pack_about import MANIFEST, PHONES, PackAbout
    from espnet2_ext.inference.pack_hub import locate
    from espnet2_ext.score.formats.json_format import write_json_score
    from espnet2_ext.score.formats.read import read_score

    # What cannot be sung is refused here, before anything large is downloaded, imported or loaded.
    about = PackAbout.read(locate(args.model, args.offline, only=[MANIFEST, PHONES]))
    score = read_score(
        args.score,
        **score_options(args),
        language=args.lang,
        default_language=about.only_language,
    )
    about.prepare(score, args.score, args.singer, args.timing, args.semitones, args.onset)
    prompt = read_prompt(args)
    from espnet2_ext.inference.synthesizer import SingingSynthesizer

    required = {name: getattr(args, name) for name in REQUIRED}
    synthesizer = SingingSynthesizer.from_pretrained(
        args.model, args.device, args.offline, dtype=args.dtype, **required
    )
    singing = synthesizer(
        score, args.singer, prompt, args.timing, args.semitones, args.seed, args.onset,
        progress=True,
    )  # fmt: skip
    singing.save(args.output)
    if args.score_out:
        write_json_score(args.score_out, singing.score)
    logging.info(
        "%s: %.2f s, timing from the %s", args.output, len(singing.wav) / singing.fs, singing.timing
    )
    print(args.output, file=sys.stdout)


def _sing_described(args: argparse.Namespace) -> None:
    """By a description: a score, or lyrics alone (a .txt file) of some length."""
    from espnet2_ext.files import read_text
    from espnet2_ext.inference.described_synthesizer import DescribedSynthesizer
    from espnet2_ext.inference.synthesizer import Singing
    from espnet2_ext.score.formats.read import read_score

    check_seconds(args.seconds)
    if args.instruction is None:
        raise UserError("sing", "--seconds without --instruction", "both, for lyrics alone")
    lyrics_alone = Path(args.score).suffix.lower() == ".txt"
    if lyrics_alone != (args.seconds is not None):
        found = "a length for a score" if args.seconds else "lyrics without a length"
        raise UserError("--seconds", found, "it with lyrics alone (.txt), which have no length")
    voices = {"--singer": args.singer, "--prompt": args.prompt, "--voice": args.voice_file}
    if given := [option for option, value in voices.items() if value]:
        raise UserError("sing", f"{given[0]} with --instruction", "a description of the voice")
    score = None if lyrics_alone else read_score(args.score, **score_options(args),
                                                 language=args.lang)  # fmt: skip
    synthesizer = DescribedSynthesizer.from_pretrained(
        args.model, args.device, args.offline, args.dtype
    )
    if score is None:
        lyrics = " ".join(read_text(args.score).split())
        wav, fs = synthesizer.sing_lyrics(lyrics, args.instruction, args.seconds, args.seed)
        singing = Singing(wav, fs, score, "model")
    else:
        singing = synthesizer.sing(score, args.instruction, args.semitones, args.seed)
    singing.save(args.output)
    logging.info("%s: %.2f s", args.output, len(singing.wav) / singing.fs)
    print(args.output, file=sys.stdout)


if __name__ == "__main__":
    main()
