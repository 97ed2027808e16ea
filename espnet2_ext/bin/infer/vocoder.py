"""Mels and F0 to wav files (stage 13)."""

import argparse
from pathlib import Path

from espnet2_ext.bin.infer._common import add_common, check_common, run_step
from espnet2_ext.digest import digest_files_once
from espnet2_ext.errors import UserError


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--model_dir", type=Path, required=True, help="experiment folder")
    add("--model_file", default="valid.loss.best.pth", help="checkpoint in it")
    add("--mel_scp", type=Path, required=True, help="natural-log mels")
    add("--f0_scp", type=Path, help="F0 in Hz of the same features")
    add("--score_scp", type=Path, help="score_frames.scp, for --f0_source score")
    add("--f0_source", choices=("feats", "predictor", "score"),
        help="F0 of --f0_scp, predicted from the mel, or the written notes; "
        "default: feats if --f0_scp is given, else predictor")  # fmt: skip
    add("--batch_size", type=int, default=8, help="utterances of a batch")
    add("--bfloat16", action="store_true", help="the same as --dtype bfloat16")
    add("--merge", action="store_true", help=argparse.SUPPRESS)  # of version 0.1.0; shards join
    add_common(parser)


def run(args: argparse.Namespace) -> None:
    check_common(args)
    from espnet2_ext.inference.vocoder_step import VocoderStep
    from espnet2_ext.vocoder.inference import VocoderInference

    source = args.f0_source or ("feats" if args.f0_scp else "predictor")
    for needs, path, option in (
        ("feats", args.f0_scp, "--f0_scp"),
        ("score", args.score_scp, "--score_scp"),
    ):
        if source == needs and path is None:
            raise UserError("--f0_source", source, f"{option} with it")
    dtype = args.dtype or ("bfloat16" if args.bfloat16 else None)
    config, checkpoint = args.model_dir / "config.yaml", args.model_dir / args.model_file
    model = VocoderInference.load(config, checkpoint, args.device, dtype)
    weights = digest_files_once(args.output_dir, config, checkpoint)
    made_by = weights + (f" {dtype}" if dtype else "")
    paths = {"mel": args.mel_scp, "f0": args.f0_scp, "score_frames": args.score_scp}
    run_step(args, VocoderStep(model, source, args.batch_size), made_by, paths)
