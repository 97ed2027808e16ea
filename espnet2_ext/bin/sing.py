"""Sing a score with a packed model.

``python -m espnet2_ext.bin.sing song.musicxml --model pack.zip --singer NAME -o song.wav``
"""

import argparse
import logging
import sys
from pathlib import Path

from espnet2_ext.device import add_dtype, device_name
from espnet2_ext.errors import UserError, cli
from espnet2_ext.files import require_writable

REQUIRED = ("mel_config", "phone_list", "token_list")


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("score", help="a score of any format: see docs/scores.md")
    parser.add_argument(
        "--model", required=True, help="pack: .zip, its folder, owner/name on the hub, or a URL"
    )
    parser.add_argument("--offline", action="store_true", help="models downloaded before alone")
    for name in REQUIRED:
        parser.add_argument(f"--{name}", type=Path, help="refuse a pack with another")
    parser.add_argument("--singer", help="a singer of the pack; the first by default")
    parser.add_argument(
        "--prompt", type=Path, action="append", help="audio of a voice to sing in; may stand again"
    )
    parser.add_argument("-o", "--output", required=True, type=Path, help="wav to write")
    parser.add_argument("--part", help="part of a score with several: its name or number from 1")
    parser.add_argument(
        "--voice",
        action="append",
        default=[],
        help="a .safetensors of `voice save`: the voice to sing in; anything else: voice of that "
        "part; may stand again, for both",
    )
    parser.add_argument("--verse", type=int, help="verse of the lyrics, from 1")
    parser.add_argument("--lyrics", help="for MIDI without lyrics, - for a slur")
    parser.add_argument(
        "--lang",
        help="of the lyrics: zh, yue, ja, en, de, fr; by default what the "
        "score says, else the pack's where it sings one, else zh",
    )
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
    parser.add_argument("--device", type=device_name, default="cpu")
    add_dtype(parser)
    parser.add_argument("--seed", type=_seed, default=0, help="of all sampling, from 0")
    return parser


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise UserError("--seed", text, "a whole number from 0 to 10^18")
    return int(text)


def split_voices(args: argparse.Namespace) -> None:
    """The two that ``--voice`` may name: ``voice_file``, and the score's ``voice``.

    Raises:
        UserError: one of them twice.
    """
    files = [name for name in args.voice if Path(name).suffix == ".safetensors"]
    others = [name for name in args.voice if name not in files]
    for names, expected in ((files, "one file"), (others, "one voice of the part")):
        if len(names) > 1:
            raise UserError("--voice", " and ".join(names), expected)
    args.voice_file, args.voice = (names[0] if names else None for names in (files, others))


@cli
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    split_voices(args)
    named = {"--singer": args.singer, "--prompt": args.prompt, "--voice FILE": args.voice_file}
    if len(given := [option for option, value in named.items() if value]) > 1:
        raise UserError("sing", f"both {' and '.join(given)}", "one of them")
    if args.output.suffix.lower() != ".wav":
        raise UserError(args.output, f"suffix {args.output.suffix!r}", ".wav", "-o")
    if args.score_out and args.score_out.suffix.lower() != ".json":
        raise UserError(args.score_out, f"suffix {args.score_out.suffix!r}", ".json", "--score_out")
    for path in filter(None, (args.output, args.score_out)):
        require_writable(path)
    from espnet2_ext.audio.wav import read_voice
    from espnet2_ext.inference.pack_about import MANIFEST, PHONES, PackAbout
    from espnet2_ext.inference.pack_hub import locate
    from espnet2_ext.inference.voice import Voice
    from espnet2_ext.score.formats.json_format import write_json_score
    from espnet2_ext.score.formats.read import read_score

    # What cannot be sung is refused here, before anything large is downloaded, imported or loaded.
    about = PackAbout.read(locate(args.model, args.offline, only=[MANIFEST, PHONES]))
    chosen = {k: getattr(args, k) for k in ("part", "voice", "verse", "lyrics") if getattr(args, k)}
    score = read_score(
        args.score, **chosen, language=args.lang, default_language=about.only_language
    )
    about.prepare(score, args.score, args.singer, args.timing, args.semitones, args.onset)
    for path in args.prompt or ():
        read_voice(path)
    prompt = Voice.load(args.voice_file) if args.voice_file else args.prompt
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


if __name__ == "__main__":
    main()
