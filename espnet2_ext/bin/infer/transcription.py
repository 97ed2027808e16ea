"""Tokens to the pitch token of each frame, by a trained transcription model."""

import argparse
from pathlib import Path

from espnet2_ext.bin.infer._common import add_common, check_common, run_step
from espnet2_ext.digest import digest_files_once


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--train_config", type=Path, required=True, help="EXP/config.yaml")
    add("--model_file", type=Path, required=True, help="EXP/valid.loss.best.pth")
    add("--inference_config", type=Path, help="YAML of how frames become notes")
    add("--codec_ssl", type=Path, required=True, help="codec_ssl.scp, of recordings or sampled")
    add_common(parser, dtype=False)


def run(args: argparse.Namespace) -> None:
    check_common(args)
    from espnet2_ext.inference.transcription_step import TranscriptionStep
    from espnet2_ext.transcription.inference import TranscriptionInference, load_decoding

    decoding = load_decoding(args.inference_config)
    model = TranscriptionInference.load(args.train_config, args.model_file, args.device)
    weights = digest_files_once(args.output_dir, args.train_config, args.model_file)
    run_step(args, TranscriptionStep(model, decoding), weights, {"codec_ssl": args.codec_ssl})
