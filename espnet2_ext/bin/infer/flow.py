"""Tokens to mel and F0, by a trained flow (stage 11)."""

import argparse
from pathlib import Path

from espnet2_ext.bin.infer._common import (
    add_common,
    add_model,
    check_common,
    run_step,
    tables_there,
)
from espnet2_ext.digest import digest_files_once


def add_options(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add = parser.add_argument
    add("--inference_config", type=Path, help="conf/decode_flow.yaml")
    add("--token_dir", type=Path, required=True, help="dump/tokens/SET: scores, prompts, tokens")
    add("--codec_ssl", type=Path, help="codec_ssl.scp sampled by an LM; default: --token_dir's")
    add("--soft", type=Path, help="codec embeddings that the LM expects, in place of its codes'")
    add("--tokenizer_dir", type=Path, help="check the model against it")
    add("--batch_frames", type=int, default=4000, help="token frames of a batch")
    add("--bfloat16", choices=("auto", "on", "off"), help="autocast (default: as trained)")
    add_common(parser)


def run(args: argparse.Namespace) -> None:
    check_common(args)
    from espnet2_ext.flow.inference import FlowInference, load_sampling
    from espnet2_ext.inference.flow_step import FlowStep

    sampling = load_sampling(args.inference_config)
    model = FlowInference.load(
        args.train_config, args.model_file, args.device, args.tokenizer_dir, args.batch_frames,
        args.bfloat16, args.dtype,
    )  # fmt: skip
    weights = digest_files_once(args.output_dir, args.train_config, args.model_file)
    # "auto" is bfloat16 on some machines: what these decoded is not joined with the others'.
    precision = args.dtype or model.model.in_bfloat16(model.model.codec.offset.device)
    paths = {
        "codec_ssl": args.codec_ssl or args.token_dir / "codec_ssl.scp",
        **tables_there(args.token_dir, "score_frames", "prompt"),
        "soft": args.soft,
    }
    run_step(args, FlowStep(model, sampling), f"{weights} {precision} {args.batch_frames}", paths)
