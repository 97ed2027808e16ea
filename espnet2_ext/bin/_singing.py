"""What the command lines that sing with a pack have in common."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from espnet2_ext.device import add_dtype, device_name
from espnet2_ext.errors import UserError

if TYPE_CHECKING:
    from espnet2_ext.inference.voice import Voice

SCORE_OPTIONS = ("part", "voice", "verse", "lyrics")


def add_pack(parser: argparse.ArgumentParser) -> None:
    """The pack, and where and how it runs."""
    add = parser.add_argument
    add("--model", required=True, help="pack: .zip, its folder, owner/name on the hub, or a URL")
    add("--offline", action="store_true", help="models downloaded before alone")
    add("--device", type=device_name, default="cpu")
    add_dtype(parser)
    add("--seed", type=_seed, default=0, help="of all sampling, from 0")


def add_described(parser: argparse.ArgumentParser, required: bool = False) -> None:
    """What a model of described sound is told."""
    add = parser.add_argument
    add("--instruction", required=required, help="how it is to sound, in plain words (a pack of "
        "docs/instructaudio.md)")  # fmt: skip
    add("--seconds", type=float, help="length; default: the score's, or as long as speech takes")


def check_seconds(seconds: float | None) -> None:
    """Refuse a length that is none; raises `UserError`."""
    if seconds is not None and not 0 < seconds < float("inf"):
        raise UserError("--seconds", f"{seconds:g}", "more than 0")


def add_voice(parser: argparse.ArgumentParser, default: str) -> None:
    """Whose voice; `default` says whose it is otherwise."""
    add = parser.add_argument
    add("--singer", help=f"a singer of the pack; {default} by default")
    add("--prompt", type=Path, action="append", help="audio of a voice to sing in; may stand again")


def add_score(parser: argparse.ArgumentParser) -> None:
    """How a score is read."""
    add = parser.add_argument
    add("--part", help="part of a score with several: its name or number from 1")
    add(
        "--voice",
        action="append",
        default=[],
        help="a .safetensors of `voice save`: the voice to sing in; anything else: voice of that "
        "part; may stand again, for both",
    )
    add("--verse", type=int, help="verse of the lyrics, from 1")
    add("--lyrics", help="for MIDI without lyrics, - for a slur")
    add(
        "--lang",
        help="of the lyrics: zh, yue, ja, en, de, fr; by default what the "
        "score says, else the pack's where it sings one, else zh",
    )


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise UserError("--seed", text, "a whole number from 0 to 10^18")
    return int(text)


def split_voices(args: argparse.Namespace, command: str) -> None:
    """The two that ``--voice`` may name: ``voice_file``, and the score's ``voice``.

    Raises:
        UserError: one of them twice, or more than one voice to sing in.
    """
    files = [name for name in args.voice if Path(name).suffix == ".safetensors"]
    others = [name for name in args.voice if name not in files]
    for names, expected in ((files, "one file"), (others, "one voice of the part")):
        if len(names) > 1:
            raise UserError("--voice", " and ".join(names), expected)
    args.voice_file, args.voice = (names[0] if names else None for names in (files, others))
    named = {"--singer": args.singer, "--prompt": args.prompt, "--voice FILE": args.voice_file}
    if len(given := [option for option, value in named.items() if value]) > 1:
        raise UserError(command, f"both {' and '.join(given)}", "one of them")


def read_prompt(args: argparse.Namespace) -> "list[Path] | Voice | None":
    """The voice that is no singer's, read before any model is loaded; raises `UserError`."""
    from espnet2_ext.audio.wav import read_voice

    for path in args.prompt or ():
        read_voice(path)
    if args.voice_file is None:
        return args.prompt
    from espnet2_ext.inference.voice import Voice

    return Voice.load(args.voice_file)


def score_options(args: argparse.Namespace) -> dict[str, str | int]:
    """Those of `SCORE_OPTIONS` that are given."""
    return {name: getattr(args, name) for name in SCORE_OPTIONS if getattr(args, name)}
