"""Scores, lyrics and instructions to a mel-VAE's latents, by a trained flow of latents."""

import argparse
from pathlib import Path

from espnet2_ext.bin.infer._common import add_common, check_common, run_step, tables_there
from espnet2_ext.digest import digest_files_once


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--train_config", type=Path, required=True, help="EXP/config.yaml")
    add("--model_file", type=Path, required=True, help="EXP/valid.loss.best.pth")
    add("--inference_config", type=Path, help="YAML of solver, steps and guidance")
    add("--stream_dir", type=Path, required=True,
        help="tables of what the model reads; score_frames.scp says how long each is")  # fmt: skip
    add("--batch_frames", type=int, default=4000, help="latent frames of a batch")
    add_common(parser)


def run(args: argparse.Namespace) -> None:
    check_common(args)
    from espnet2_ext.flow.inference import load_sampling
    from espnet2_ext.flow.latent_inference import LatentInference
    from espnet2_ext.inference.latent_flow_step import LatentFlowStep

    sampling = load_sampling(args.inference_config)
    model = LatentInference.load(
        args.train_config, args.model_file, args.device, args.batch_frames, args.dtype
    )
    weights = digest_files_once(args.output_dir, args.train_config, args.model_file)
    precision = args.dtype or model.model.in_bfloat16(model.model.device)
    step = LatentFlowStep(model, sampling)
    paths = tables_there(args.stream_dir, *step.reads, *step.may_read)
    paths["score_frames"] = args.stream_dir / "score_frames.scp"
    run_step(args, step, f"{weights} {precision} {args.batch_frames}", paths)
