"""Stage 11: tokens to mel and F0 by a trained flow.

Shards run side by side (--shard J --num_shards N, J from 1); whichever ends last joins their
chunks into OUT/mel.scp and OUT/f0.scp. Run again, it goes on where it was.
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from espnet2_ext.device import add_dtype, device_name
from espnet2_ext.digest import device_kind, digest_files
from espnet2_ext.errors import UserError, cli
from espnet2_ext.lock import hold_shard


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--train_config", type=Path, required=True, help="EXP/config.yaml")
    parser.add_argument("--model_file", type=Path, required=True, help="EXP/valid.loss.best.pth")
    parser.add_argument("--inference_config", type=Path, help="conf/decode_flow.yaml")
    parser.add_argument(
        "--token_dir",
        type=Path,
        required=True,
        help="dump/tokens/SET: scores, prompts, and tokens unless --codec_ssl names others",
    )
    parser.add_argument("--codec_ssl", type=Path, help="codec_ssl.scp sampled by an LM")
    parser.add_argument(
        "--soft", type=Path, help="codec embeddings that the LM expects, in place of its codes'"
    )
    parser.add_argument("--tokenizer_dir", type=Path, help="check the model against it")
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--shard", type=int, default=1, help="this job's number, from 1")
    parser.add_argument("--num_shards", type=int, default=1)
    parser.add_argument("--chunk_utts", type=int, default=64, help="utterances between savepoints")
    parser.add_argument("--batch_frames", type=int, default=4000, help="token frames of a batch")
    parser.add_argument(
        "--bfloat16", choices=("auto", "on", "off"), help="autocast (default: as trained)"
    )
    parser.add_argument("--device", type=device_name, default="cpu", help="cpu, cuda, cuda:1 ...")
    add_dtype(parser)
    return parser


@cli
def main(argv: Sequence[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    if not 1 <= args.shard <= args.num_shards:
        raise UserError("--shard", f"{args.shard}", f"1..{args.num_shards}")
    from espnet2_ext.flow.decode import DecodeInputs, decode, load_sampling
    from espnet2_ext.flow.inference import FlowInference

    sampling = load_sampling(args.inference_config)
    flow = FlowInference.load(
        args.train_config,
        args.model_file,
        args.device,
        args.tokenizer_dir,
        args.batch_frames,
        args.bfloat16,
        args.dtype,
    )
    weights = digest_files(args.train_config, args.model_file)
    # "auto" is bfloat16 on some machines: what these decoded is not joined with the others'.
    precision = args.dtype or flow.model.in_bfloat16(flow.model.codec.offset.device)
    model_id = f"{weights} {precision} {args.batch_frames} {device_kind(args.device)}"
    inputs = DecodeInputs.of_dir(args.token_dir, args.codec_ssl, args.soft)
    work = f"{model_id} {sampling} {inputs}"
    with hold_shard(args.output_dir, args.shard, args.num_shards, work):
        complete = decode(
            flow,
            model_id,
            inputs,
            sampling,
            args.output_dir,
            args.shard,
            args.num_shards,
            args.chunk_utts,
        )
    logging.info("%s: %s", args.output_dir, "complete" if complete else "other shards run on")


if __name__ == "__main__":
    main()
