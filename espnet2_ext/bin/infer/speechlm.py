"""Scores and prompts to tokens, by a trained speech LM (stage 9)."""

import argparse
from pathlib import Path

from espnet2_ext.bin.infer._common import (
    add_common,
    add_model,
    check_common,
    load_speechlm,
    run_step,
    tables_there,
)


def add_options(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add = parser.add_argument
    add("--score_frames_scp", type=Path, required=True,
        help="dump/tokens/SET/score_frames.scp; svs_frames.scp beside it is read too")  # fmt: skip
    add("--prompt_scp", type=Path, help="dump/tokens/SET/prompt.scp; none: no singer is given")
    add("--decode_config", type=Path, help="conf/decode_speechlm.yaml")
    add_common(parser)


def run(args: argparse.Namespace) -> None:
    check_common(args)
    from espnet2_ext.inference.speechlm_steps import SpeechLMStep

    model, decoding, made_by = load_speechlm(args)
    paths = {"score_frames": args.score_frames_scp, "prompt": args.prompt_scp}
    paths |= tables_there(args.score_frames_scp.parent, "svs_frames")
    run_step(args, SpeechLMStep(model, decoding), made_by, paths)
