"""Stage 13: generated mels (and F0) to wav files.

With one shard everything is done in one call. Otherwise run each --shard J of --num_shards N
(J from 1), then once with --merge, which writes wav.scp. Every call can be run again: wav files
that came from the same batches of features and the same vocoder are kept.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from espnet2_ext.device import add_dtype, device_name
from espnet2_ext.digest import device_kind, digest_files
from espnet2_ext.errors import UserError, cli
from espnet2_ext.lock import hold_shard, hold_to_the_end


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model_dir", type=Path, required=True, help="experiment folder")
    parser.add_argument("--model_file", default="valid.loss.best.pth", help="checkpoint in it")
    parser.add_argument("--mel_scp", type=Path, required=True, help="natural-log mels")
    parser.add_argument("--f0_scp", type=Path, help="F0 in Hz of the same features")
    parser.add_argument("--score_scp", type=Path, help="score_frames.scp, for --f0_source score")
    parser.add_argument(
        "--f0_source",
        choices=("feats", "predictor", "score"),
        default=None,
        help="F0 of --f0_scp, predicted from the mel, or the written notes; "
        "default: feats if --f0_scp is given, else predictor",
    )
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--shard", type=int, default=1, help="this job's number, from 1")
    parser.add_argument("--num_shards", type=int, default=1)
    parser.add_argument("--merge", action="store_true", help="only write wav.scp")
    parser.add_argument("--batch_size", type=int, default=8)
    parser.add_argument("--bfloat16", action="store_true", help="the same as --dtype bfloat16")
    parser.add_argument("--device", type=device_name, default="cpu")
    add_dtype(parser)
    return parser


@cli
def main(argv: Sequence[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    if not 1 <= args.shard <= args.num_shards:
        raise UserError("--shard", f"{args.shard}", f"1..{args.num_shards}")

    from espnet2_ext.vocoder.inference import VocoderInference
    from espnet2_ext.vocoder.render import Renderer, RenderInputs

    dtype = args.dtype or ("bfloat16" if args.bfloat16 else None)
    source = args.f0_source or ("feats" if args.f0_scp else "predictor")
    inputs = RenderInputs(args.mel_scp, args.f0_scp, args.score_scp, source)
    config, checkpoint = args.model_dir / "config.yaml", args.model_dir / args.model_file
    model = VocoderInference.load(config, checkpoint, args.device, dtype)
    weights = digest_files(config, checkpoint)
    model_id = f"{weights} {device_kind(args.device)}" + (f" {dtype}" if dtype else "")
    renderer = Renderer(model, model_id, inputs, args.output_dir)
    if not args.merge:
        with hold_shard(args.output_dir, args.shard, args.num_shards, f"{model_id} {inputs}"):
            renderer.run(args.shard, args.num_shards, args.batch_size)
    if args.merge or args.num_shards == 1:
        hold_to_the_end(args.output_dir)
        renderer.merge(args.batch_size)


if __name__ == "__main__":
    main()
