"""The codec embeddings that a speech LM expected when it chose its tokens (stage 9).

They train a flow (stream ``soft`` beside ``sampled``), which renders them (``infer flow --soft``).
"""

import argparse
from pathlib import Path

from espnet2_ext.bin.infer._common import (
    add_common,
    add_model,
    check_common,
    codec_embeddings,
    load_speechlm,
    run_step,
    tables_there,
)


def add_options(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add = parser.add_argument
    add("--token_dir", type=Path, required=True, help="dump/tokens/SET: scores and prompts")
    add("--codec_ssl", type=Path, help="codec_ssl.scp sampled by the LM; default: --token_dir's")
    add("--tokenizer_dir", type=Path, required=True, help="tokenizers that made the tokens")
    add("--decode_config", type=Path, help="score_weight, prompt_guidance, soft_temperature hold")
    add("--batch_size", type=int, default=16, help="utterances of a batch")
    add_common(parser)


def run(args: argparse.Namespace) -> None:
    check_common(args)
    from espnet2_ext.inference.speechlm_steps import SoftStep

    model, decoding, made_by = load_speechlm(args)
    tables, offset, embeddings = codec_embeddings(args.tokenizer_dir)
    paths = {
        "codec_ssl": args.codec_ssl or args.token_dir / "codec_ssl.scp",
        "score_frames": args.token_dir / "score_frames.scp",
        "prompt": args.token_dir / "prompt.scp",
        **tables_there(args.token_dir, "svs_frames"),
    }
    step = SoftStep(model, decoding, tables, offset, args.batch_size)
    run_step(args, step, f"{made_by} {embeddings}", paths)
