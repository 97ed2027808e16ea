"""Stage 4: fit codec, SSL clusters, phone set and mel statistics on the training split."""

import argparse
from pathlib import Path

from espnet2_ext.device import device_name
from espnet2_ext.errors import UserError
from espnet2_ext.lock import hold_to_the_end


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, required=True, help="conf/tokenizer.yaml")
    parser.add_argument("--data_dir", type=Path, required=True, help="formatted training split")
    parser.add_argument("--mel_config", type=Path, required=True, help="conf/mel.yaml")
    parser.add_argument("--out_dir", type=Path, required=True, help="tokenizer folder to write")
    parser.add_argument(
        "--nj", type=int, default=1, help="utterances analysed at a time; does not change the fit"
    )
    parser.add_argument(
        "--device", type=device_name, default="cpu", help="for a pretrained SSL model"
    )


def run(args: argparse.Namespace) -> None:
    if args.nj < 1:
        raise UserError("--nj", str(args.nj), "1 or more")
    from espnet2_ext.tokenizer.fit import fit_tokenizers

    # Beside the folder, which is replaced as a whole.
    hold_to_the_end(args.out_dir.parent, f".{args.out_dir.name}.lock")
    fit_tokenizers(args.config, args.mel_config, args.data_dir, args.out_dir, args.device, args.nj)
