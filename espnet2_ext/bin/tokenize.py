"""Stage 5: audio and scores to tokens, mel and F0; sharded, then joined with --merge.

Shards: tokenize --data_dir D... --tokenizer_dir T --out_dir O... --shard J --num_shards N
Then:   tokenize --merge --data_dir D... --tokenizer_dir T --out_dir O... \\
            --prompted_dirs O... --prompt_dirs P...
One output for each input; J counts from 1. Prompts are drawn once everything is joined.
Both can be run again: finished chunks are kept while tokenizer, device, audio and scores stay the
same.
"""

import argparse
from pathlib import Path

from espnet2_ext.device import device_name
from espnet2_ext.errors import UserError, cli
from espnet2_ext.lock import hold_to_the_end
from espnet2_ext.resumable import Shard


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data_dir", type=Path, nargs="+", required=True, help="formatted data directories"
    )
    parser.add_argument("--tokenizer_dir", type=Path, required=True)
    parser.add_argument(
        "--out_dir", type=Path, nargs="+", required=True, help="token directory of each"
    )
    Shard.add_options(parser)
    parser.add_argument(
        "--device", type=device_name, default="cpu", help="for pretrained codec and SSL models"
    )
    parser.add_argument(
        "--nj", type=int, default=1, help="utterances analysed at a time, ahead of the models"
    )
    parser.add_argument("--merge", action="store_true", help="join finished chunks")
    parser.add_argument(
        "--prompted_dirs", type=Path, nargs="*", default=[], help="outputs that get prompts"
    )
    parser.add_argument(
        "--prompt_dirs", type=Path, nargs="*", default=[], help="where to draw them"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the prompts' draw")
    return parser


@cli
def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    shard = Shard.of(args)
    if args.nj < 1:
        raise UserError("--nj", str(args.nj), "1 or more")
    if len(args.data_dir) != len(args.out_dir):
        raise UserError("--out_dir", f"{len(args.out_dir)}", f"{len(args.data_dir)}, as --data_dir")
    if args.merge:
        from espnet2_ext.tokenizer.merge import merge_chunks
        from espnet2_ext.tokenizer.prompts import write_prompts

        for data_dir, out_dir in zip(args.data_dir, args.out_dir, strict=True):
            hold_to_the_end(out_dir)
            n_utts = merge_chunks(data_dir, args.tokenizer_dir, out_dir, args.device)
            print(f"{out_dir}: {n_utts} utterances")
        for out_dir in args.prompted_dirs:
            write_prompts(out_dir, args.prompt_dirs, args.seed)
        return
    from espnet2_ext.tokenizer.dump import tokenize_shard

    tokenize_shard(args.data_dir, args.tokenizer_dir, args.out_dir, shard, args.device, args.nj)


if __name__ == "__main__":
    main()
