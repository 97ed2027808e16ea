"""Scores and prompts to tokens, by a trained speech LM (stage 9)."""

import argparse
from pathlib import Path

from espnet2_ext.bin.infer._work import (
    add_common,
    add_more,
    check_common,
    more_tables,
    run_step,
    tables_there,
)
from espnet2_ext.digest import digest_files


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--train_config", type=Path, required=True, help="EXP/config.yaml")
    add("--model_file", type=Path, required=True, help="EXP/valid.loss.best.pth")
    add("--score_frames_scp", type=Path, required=True,
        help="dump/tokens/SET/score_frames.scp; svs_frames.scp beside it is read too")  # fmt: skip
    add("--prompt_scp", type=Path, help="dump/tokens/SET/prompt.scp; none: no singer is given")
    add("--decode_config", type=Path, help="conf/decode_speechlm.yaml")
    add_more(parser)
    add_common(parser)


def run(args: argparse.Namespace) -> None:
    check_common(args)
    from espnet2_ext.inference.speechlm_steps import SpeechLMStep
    from espnet2_ext.speechlm.inference import SpeechLMInference, load_decoding

    decoding, dtype = load_decoding(args.decode_config), args.dtype or "float32"
    weights = digest_files(args.train_config, args.model_file)
    model = SpeechLMInference.load(args.train_config, args.model_file, args.device, dtype)
    paths = {"score_frames": args.score_frames_scp, "prompt": args.prompt_scp}
    paths |= tables_there(args.score_frames_scp.parent, "svs_frames")
    paths |= more_tables(args, model)
    run_step(args, SpeechLMStep(model, decoding), f"{weights} {dtype}", paths)
