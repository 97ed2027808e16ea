"""Soft tokens: the codec embeddings that a speech LM expected when it chose its tokens.

Reads tokens (by default the ground truth of --token_dir: teacher forcing), scores and prompts; one
parallel pass a batch; writes OUT/soft.scp, matrices (frames, embedding size). They train a flow
(stream ``soft`` beside ``sampled``) and are rendered by it (``flow_inference --soft``).

Shards run side by side (--shard J --num_shards N, J from 1); whichever ends last joins their
chunks. Run again, it goes on where it was.
"""

import argparse
import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

from espnet2_ext.device import add_dtype, device_name
from espnet2_ext.digest import device_kind, digest_files
from espnet2_ext.errors import UserError, cli
from espnet2_ext.lock import hold_to_the_end


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--train_config", type=Path, required=True, help="config.yaml of the speech LM")
    add("--model_file", type=Path, required=True, help="its weights")
    add("--token_dir", type=Path, required=True, help="dump/tokens/SET: scores and prompts")
    add("--codec_ssl", type=Path, help="codec_ssl.scp sampled by the LM")
    add("--tokenizer_dir", type=Path, required=True)
    add(
        "--decode_config",
        type=Path,
        help="score_weight, prompt_guidance, soft_temperature hold",
    )
    add("--batch_size", type=int, default=16)
    add("--output_dir", type=Path, required=True)
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
    if args.batch_size < 1 or args.chunk_utts < 1:
        raise UserError("--batch_size, --chunk_utts", "not positive", "1 or more")
    from espnet2_ext.flow.token_embedding import probe_tables
    from espnet2_ext.speechlm.inference import SpeechLMInference, load_decoding
    from espnet2_ext.speechlm.soft_dir import SoftTask, soft_dir
    from espnet2_ext.tokenizer.tokenizers import Tokenizers

    hold_to_the_end(args.output_dir)
    decoding = load_decoding(args.decode_config)
    weights = digest_files(args.train_config, args.model_file)
    inference = SpeechLMInference.load(
        args.train_config, args.model_file, args.device, args.dtype or "float32"
    )
    codec = Tokenizers.load(args.tokenizer_dir).codec
    tables, offset = probe_tables(
        codec.embed, codec.n_codebooks, codec.codebook_size, str(args.tokenizer_dir)
    )
    embeddings = hashlib.sha256(tables.numpy().tobytes() + offset.numpy().tobytes()).hexdigest()
    svs_frames = args.token_dir / "svs_frames.scp"
    task = SoftTask(
        args.codec_ssl or args.token_dir / "codec_ssl.scp",
        args.token_dir / "score_frames.scp",
        args.token_dir / "prompt.scp",
        args.output_dir,
        svs_frames if svs_frames.is_file() else None,
        args.batch_size,
        args.shard,
        args.num_shards,
        args.chunk_utts,
    )
    model_id = f"{weights} {embeddings} {args.dtype} {device_kind(args.device)}"
    complete = soft_dir(inference, model_id, tables, offset, task, decoding)
    logging.info("%s: %s", args.output_dir, "complete" if complete else "other shards run on")


if __name__ == "__main__":
    main()
