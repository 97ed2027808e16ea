"""Pack a recipe's models into the one archive that `sing` opens (stage 16)."""

import argparse
import logging
import subprocess
from pathlib import Path

from espnet2_ext import __version__
from espnet2_ext.errors import cli

NO_LICENCE = "not stated by the corpus"


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    for model in ("speechlm", "flow", "vocoder", "duration"):
        parser.add_argument(f"--{model}_dir", type=Path, required=True, help="experiment folder")
        parser.add_argument(
            f"--{model}_file", default="valid.loss.best.pth", help="checkpoint in it"
        )
    parser.add_argument(
        "--transcription_dir", type=Path, help="experiment of a transcription model, to add"
    )
    parser.add_argument(
        "--transcription_file", default="valid.loss.best.pth", help="checkpoint in it"
    )
    parser.add_argument(
        "--transcription_config", type=Path, help="inference options of the transcription"
    )
    parser.add_argument("--decode_config", type=Path, help="inference options of the speech LM")
    parser.add_argument("--sampling_config", type=Path, help="inference options of the flow")
    parser.add_argument("--timing_config", type=Path, help="inference options of phone durations")
    parser.add_argument("--tokenizer_dir", type=Path, required=True)
    parser.add_argument("--vocabulary_dir", type=Path, required=True)
    parser.add_argument(
        "--tokens_dir", type=Path, required=True, help="tokens of the training split"
    )
    parser.add_argument("--data_dir", type=Path, required=True, help="of the training split")
    parser.add_argument("--results", type=Path, help="results.json")
    parser.add_argument("--name", required=True)
    parser.add_argument("--corpus", required=True, help="corpus of origin")
    parser.add_argument("--command", default="", help="command that trained the models")
    parser.add_argument("--out", type=Path, required=True, help=".zip to write")
    return parser


def commit() -> str:
    """The commit of this checkout; empty where there is none."""
    here = Path(__file__).parent
    done = subprocess.run(
        ["git", "-C", str(here), "rev-parse", "--short=12", "HEAD"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout.strip()


@cli
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    from espnet2_ext.inference.pack import MODELS, TRANSCRIPTION, PackSources, write_pack

    options = {
        "speechlm": args.decode_config,
        "flow": args.sampling_config,
        "duration": args.timing_config,
        TRANSCRIPTION: args.transcription_config,
    }
    models = {m: (getattr(args, f"{m}_dir"), getattr(args, f"{m}_file")) for m in MODELS}
    if args.transcription_dir is not None:
        models[TRANSCRIPTION] = (args.transcription_dir, args.transcription_file)
    sources = PackSources(
        models=models,
        inference={m: path for m, path in options.items() if path},
        tokenizer_dir=args.tokenizer_dir,
        vocabulary_dir=args.vocabulary_dir,
        tokens_dir=args.tokens_dir,
        data_dir=args.data_dir,
        results=args.results,
    )
    licence = args.data_dir / "LICENSE.txt"
    about = {
        "name": args.name,
        "corpus": args.corpus,
        "licence": licence.read_text(encoding="utf-8") if licence.is_file() else NO_LICENCE,
        "version": __version__,
        "commit": commit(),
        "command": args.command,
    }
    out = write_pack(sources, args.out, about)
    logging.info("%s: %.1f MB", out, out.stat().st_size / 1e6)


if __name__ == "__main__":
    main()
