"""Sing data directories with ESPnet's own SVS model: tokens, mel and F0, or waveforms.

OUT/TIMING/SET is a token folder for flow_inference or a feature folder for vocoder_inference.
"""

import argparse
import logging
from pathlib import Path

from espnet2_ext.device import device_name
from espnet2_ext.errors import UserError
from espnet2_ext.lock import hold_to_the_end

TIMINGS = ("label", "own")


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--train_config", type=Path, required=True, help="EXP/config.yaml")
    add("--model_file", type=Path, required=True, help="EXP/valid.loss.best.pth")
    add("--tokenizer_dir", type=Path, required=True, help="exp/tokenizer: phones, clock, streams")
    add(
        "--data_dir", type=Path, nargs="+", required=True, help="made by svs_data at its frame rate"
    )
    add("--token_dir", type=Path, nargs="+", required=True, help="dump/tokens/SET, for the prompts")
    add(
        "--output_dir",
        type=Path,
        required=True,
        help="where results are written; a killed run goes on there",
    )
    add(
        "--durations",
        choices=TIMINGS,
        nargs="+",
        default=list(TIMINGS),
        help="whose phone durations are sung: of the label, the model's own, or both",
    )
    add("--seed", type=int, default=0, help="of VISinger's noise")
    add("--device", type=device_name, default="cpu", help="cpu, cuda, cuda:1 ...")


def run(args: argparse.Namespace) -> None:
    if len(args.token_dir) != len(args.data_dir):
        raise UserError("--token_dir", f"{len(args.token_dir)} folders", f"{len(args.data_dir)}")
    from espnet2_ext.baselines.decode import decode_dir
    from espnet2_ext.baselines.inference import BaselineInference
    from espnet2_ext.tokenizer.tokenizers import Tokenizers

    hold_to_the_end(args.output_dir)
    tokenizers = Tokenizers.load(args.tokenizer_dir)
    model = BaselineInference.load(
        args.train_config, args.model_file, tokenizers.sizes, args.device, args.seed
    )
    logging.getLogger().setLevel(logging.WARNING)  # XiaoiceSing logs its tensors
    logging.getLogger("espnet2_ext").setLevel(logging.INFO)
    for timing in args.durations:
        for data_dir, token_dir in zip(args.data_dir, args.token_dir, strict=True):
            out = args.output_dir / timing / data_dir.name
            decode_dir(model, tokenizers, data_dir, token_dir, out, timing == "own")
