"""A mel-VAE's latents to mels, for a vocoder."""

import argparse
from pathlib import Path

from espnet2_ext.bin.infer._common import add_common, add_mel_vae, check_common, run_mel_vae


def add_options(parser: argparse.ArgumentParser) -> None:
    add_mel_vae(parser)
    parser.add_argument("--latents_scp", type=Path, required=True, help="of `infer latents`")
    add_common(parser, dtype=False)


def run(args: argparse.Namespace) -> None:
    check_common(args)
    from espnet2_ext.inference.mel_vae_steps import DecodeStep

    run_mel_vae(args, DecodeStep, {"latents": args.latents_scp})
