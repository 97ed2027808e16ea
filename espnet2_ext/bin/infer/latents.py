"""Audio or mels to a mel-VAE's latents: the latent stream of a flow, with its statistics."""

import argparse
from pathlib import Path

from espnet2_ext.bin.infer._common import add_common, add_mel_vae, check_common, run_mel_vae
from espnet2_ext.errors import UserError


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_mel_vae(parser)
    add("--wav_scp", type=Path, help="audio at the model's rate")
    add("--mel_scp", type=Path, help="instead: natural-log mels of it")
    add_common(parser, dtype=False)


def run(args: argparse.Namespace) -> None:
    check_common(args)
    from espnet2_ext.inference.mel_vae_steps import EncodeStep

    if (args.wav_scp is None) == (args.mel_scp is None):
        raise UserError("command line", "not one input", "one of --wav_scp and --mel_scp")
    stream = "mel" if args.wav_scp is None else "wav"
    table = args.mel_scp or args.wav_scp
    run_mel_vae(args, lambda model: EncodeStep(model, stream), {stream: table})
