"""Save a voice for `sing --voice`: recordings of a singer, as tokens of a pack's tokenizers."""

import argparse
from pathlib import Path

from espnet2_ext.device import device_name
from espnet2_ext.errors import UserError
from espnet2_ext.files import require_writable


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("output", type=Path, help=".safetensors to write")
    add("--model", required=True, help="pack: .zip, its folder, owner/name on the hub, or a URL")
    add("--prompt", type=Path, nargs="+", required=True, help="recordings of the voice")
    add("--name", help="of the singer; default: the output's name")
    add("--offline", action="store_true", help="models downloaded before alone")
    add(
        "--device",
        type=device_name,
        default="cpu",
        help="where models compute: cpu, cuda or cuda:N",
    )


def run(args: argparse.Namespace) -> None:
    from espnet2_ext.inference.voice import VOICE_SUFFIX

    if args.output.suffix != VOICE_SUFFIX:
        raise UserError(args.output, f"suffix {args.output.suffix!r}", VOICE_SUFFIX)
    require_writable(args.output)
    from espnet2_ext.audio.wav import read_voice

    for path in args.prompt:  # refused before anything is downloaded or loaded
        read_voice(path)
    from espnet2_ext.inference.synthesizer import SingingSynthesizer

    synthesizer = SingingSynthesizer.from_pretrained(args.model, args.device, args.offline)
    synthesizer.voice_of(args.prompt, args.name or args.output.stem).save(args.output)
    print(args.output)
