"""Audio to mels, for a mel-VAE or a vocoder of data without tokens."""

import argparse
from pathlib import Path

from espnet2_ext.bin.infer._common import add_common, check_common, run_step


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--wav_scp", type=Path, required=True, help="audio at the mel's rate")
    add(
        "--mel_config",
        type=Path,
        default=Path("conf/mel.yaml"),
        help="YAML of sampling rate, frames and mel",
    )
    add_common(parser, dtype=False)


def run(args: argparse.Namespace) -> None:
    check_common(args)
    from espnet2_ext.audio.mel import MelConfig
    from espnet2_ext.inference.mel_step import MelStep

    run_step(args, MelStep(MelConfig.load(args.mel_config)), "", {"wav": args.wav_scp})
