"""Stage 9: scores and prompts to tokens, by a trained speech LM.

Shards run side by side (--shard J --num_shards N, J from 1); whichever ends last joins their
chunks into OUT/codec_ssl.scp and OUT/scores. Run again, it goes on where it was.
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
    add = parser.add_argument
    add("--train_config", type=Path, required=True, help="EXP/config.yaml")
    add("--model_file", type=Path, required=True, help="EXP/valid.loss.best.pth")
    add("--score_frames_scp", type=Path, required=True,
        help="dump/tokens/SET/score_frames.scp; svs_frames.scp beside it is read too")  # fmt: skip
    add("--prompt_scp", type=Path, help="dump/tokens/SET/prompt.scp; none: no singer is given")
    add("--output_dir", type=Path, required=True)
    add("--decode_config", type=Path, help="conf/decode_speechlm.yaml")
    add("--shard", type=int, default=1, help="this job's number, from 1")
    add("--num_shards", type=int, default=1)
    add("--chunk_utts", type=int, default=64, help="utterances between savepoints")
    add("--device", type=device_name, default="cpu", help="cpu, cuda, cuda:1 ...")
    add_dtype(parser)
    return parser


@cli
def main(argv: Sequence[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    if not 1 <= args.shard <= args.num_shards:
        raise UserError("--shard", f"{args.shard}", f"1..{args.num_shards}")
    from espnet2_ext.speechlm.decode_dir import DecodeTask, decode_dir
    from espnet2_ext.speechlm.inference import SpeechLMInference, load_decoding

    decoding = load_decoding(args.decode_config)
    weights = digest_files(args.train_config, args.model_file)
    dtype = args.dtype or "float32"
    model_id = f"{weights} {dtype} {device_kind(args.device)}"
    inference = SpeechLMInference.load(args.train_config, args.model_file, args.device, dtype)
    svs_frames = args.score_frames_scp.with_name("svs_frames.scp")
    task = DecodeTask(
        args.score_frames_scp,
        args.prompt_scp,
        args.output_dir,
        args.shard,
        args.num_shards,
        args.chunk_utts,
        svs_frames if svs_frames.is_file() else None,
    )
    work = f"{model_id} {decoding} {args.score_frames_scp} {args.prompt_scp}"
    with hold_shard(args.output_dir, args.shard, args.num_shards, work):
        complete = decode_dir(inference, model_id, task, decoding)
    logging.info("%s: %s", args.output_dir, "complete" if complete else "other shards run on")


if __name__ == "__main__":
    main()
