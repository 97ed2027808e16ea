"""Pack a recipe's models into the one archive that `sing` opens (the pack stage)."""

import argparse
import logging
import subprocess
from pathlib import Path
from typing import Any

from espnet2_ext import __version__
from espnet2_ext.errors import UserError, cli
from espnet2_ext.files import read_yaml
from espnet2_ext.inference.packed_systems import SYSTEMS, TRANSCRIPTION

MODELS = (*dict.fromkeys(m for system in SYSTEMS.values() for m in system.models), TRANSCRIPTION)
NO_LICENCE = "not stated by the corpus"


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--system", choices=SYSTEMS, default="speechlm", help="whose models are packed")
    for model in MODELS:
        of = ", ".join(name for name, system in SYSTEMS.items() if model in system.models)
        add(f"--{model}_dir", type=Path, help=f"experiment folder, of {of or 'any, to add'}")
        add(f"--{model}_file", default="valid.loss.best.pth", help="checkpoint in it")
    add("--decode_config", type=Path, help="inference options of the speech LM; of masked "
        "generators: sections semantic and acoustic")  # fmt: skip
    add("--sampling_config", type=Path, help="inference options of the flow")
    add("--timing_config", type=Path, help="inference options of phone durations")
    add("--transcription_config", type=Path, help="inference options of the transcription")
    add("--tokenizer_dir", type=Path, required=True)
    add("--vocabulary_dir", type=Path, help="of the speech LM")
    add("--tokens_dir", type=Path, required=True, help="tokens of the training split")
    add("--data_dir", type=Path, required=True, help="of the training split")
    add("--results", type=Path, help="results.json")
    add("--name", required=True)
    add("--corpus", required=True, help="corpus of origin")
    add("--command", default="", help="command that trained the models")
    add("--out", type=Path, required=True, help=".zip to write")
    return parser


def commit() -> str:
    """The commit of this checkout; empty where there is none."""
    here = Path(__file__).parent
    done = subprocess.run(
        ["git", "-C", str(here), "rev-parse", "--short=12", "HEAD"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.strip()


def licence_of(data_dir: Path) -> str | None:
    """The licence that came with a corpus; None: it states none."""
    path = data_dir / "LICENSE.txt"
    return path.read_text(encoding="utf-8") if path.is_file() else None


def about_of(args: argparse.Namespace) -> dict[str, str]:
    """What a manifest says of any pack's origin."""
    return {
        "name": args.name,
        "corpus": args.corpus,
        "licence": licence_of(args.data_dir) or NO_LICENCE,
        "version": __version__,
        "commit": commit(),
        "command": args.command,
    }


def check_parts(args: argparse.Namespace) -> None:
    """Refuse parts that the system lacks, or that it does not have; raises `UserError`."""
    system = SYSTEMS[args.system]
    wanted = dict.fromkeys(system.models, True) | {"vocabulary": system.has_vocabulary}
    for part in dict.fromkeys((*wanted, *MODELS)):
        given = getattr(args, f"{part}_dir") is not None
        if part != TRANSCRIPTION and given != wanted.get(part, False):
            found, expected = ("given", "none") if given else ("missing", "a folder")
            raise UserError(f"--{part}_dir", found, f"{expected}, for --system {args.system}")


def read_options(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """Inference options of the models that have any."""
    from espnet2_ext.masked.inference import read_sections

    files = {
        "flow": args.sampling_config,
        "duration": args.timing_config,
        TRANSCRIPTION: args.transcription_config,
    }
    options = {model: read_yaml(path) for model, path in files.items() if path}
    if args.decode_config is None:
        return options
    if args.system == "masked":
        return options | read_sections(args.decode_config)
    return options | {"speechlm": read_yaml(args.decode_config)}


@cli
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    check_parts(args)
    from espnet2_ext.inference.pack_writer import PackSources, write_pack

    folders = {model: getattr(args, f"{model}_dir") for model in MODELS}
    sources = PackSources(
        models={m: (d, getattr(args, f"{m}_file")) for m, d in folders.items() if d is not None},
        inference=read_options(args),
        tokenizer_dir=args.tokenizer_dir,
        tokens_dir=args.tokens_dir,
        data_dir=args.data_dir,
        system=args.system,
        vocabulary_dir=args.vocabulary_dir,
        results=args.results,
    )
    out = write_pack(sources, args.out, about_of(args))
    logging.info("%s: %.1f MB", out, out.stat().st_size / 1e6)


if __name__ == "__main__":
    main()
