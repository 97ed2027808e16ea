"""Stage 4: fit codec, SSL clusters, phone set and mel statistics on the training split."""

import argparse
from pathlib import Path

from espnet2_ext.errors import cli


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="conf/tokenizer.yaml")
    parser.add_argument("--data_dir", type=Path, required=True, help="formatted training split")
    parser.add_argument("--mel_config", type=Path, required=True, help="conf/mel.yaml")
    parser.add_argument("--out_dir", type=Path, required=True, help="tokenizer folder to write")
    parser.add_argument("--nj", type=int, default=1, help="CPU threads")
    parser.add_argument("--device", default="cpu", help="for a pretrained SSL model")
    return parser


@cli
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    import torch

    from espnet2_ext.tokenizer.fit import fit_tokenizers

    torch.set_num_threads(args.nj)
    fit_tokenizers(args.config, args.mel_config, args.data_dir, args.out_dir, args.device)


if __name__ == "__main__":
    main()
