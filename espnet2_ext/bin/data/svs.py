"""Make data directories for ESPnet's SVS tasks from the speechlm recipe's data and tokens.

Phones are put on the grid of the model's frames; scores, audio and codes are the recipe's own.
"""

import argparse
import logging
from pathlib import Path

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.errors import UserError
from espnet2_ext.lock import hold_to_the_end


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--data_dir", type=Path, nargs="+", required=True, help="dump/raw/SET ...")
    add("--token_dir", type=Path, nargs="+", required=True, help="dump/tokens/SET ...")
    add("--root", type=Path, default=Path(), help="folder that paths in --data_dir start from")
    add("--train_utt2spk", type=Path, required=True, help="utt2spk of the training set")
    add("--mel_config", type=Path, required=True, help="conf/mel.yaml")
    add("--fps", type=int, required=True, help="frame rate of the model: tokens' or mel's")
    add("--out_dir", type=Path, nargs="+", required=True, help="one for each --data_dir")


def run(args: argparse.Namespace) -> None:
    for name in ("token_dir", "out_dir"):
        if len(getattr(args, name)) != len(args.data_dir):
            found = f"{len(getattr(args, name))} folders"
            raise UserError(f"--{name}", found, f"{len(args.data_dir)}, as --data_dir")
    from espnet2_ext.baselines.data import SVSData, prepare, singer_ids

    mel = MelConfig.load(args.mel_config)
    singers = singer_ids(args.train_utt2spk)
    for data_dir, token_dir, out_dir in zip(
        args.data_dir, args.token_dir, args.out_dir, strict=True
    ):
        hold_to_the_end(out_dir)
        count = prepare(SVSData(data_dir, token_dir, args.root, mel), out_dir, args.fps, singers)
        logging.info("%s: %d utterances", out_dir, count)
