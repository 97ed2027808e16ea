"""Run one step from a score to samples over Kaldi tables: ``infer STEP --output_dir OUT ...``.

Shards run side by side (--shard J --num_shards N, J from 1); whichever ends last joins what they
made into OUT. Run again, it goes on where it was.
"""

import argparse
import hashlib
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from espnet2_ext.device import add_dtype, device_name
from espnet2_ext.digest import device_kind, digest_files
from espnet2_ext.errors import UserError, cli
from espnet2_ext.lock import hold_shard
from espnet2_ext.resumable import CHUNK_UTTS, Shard

if TYPE_CHECKING:
    from espnet2_ext.inference.step import Step


@dataclass(frozen=True)
class Work:
    """A step, what its model was made from, and its tables (None: not given)."""

    step: "Step"
    made_by: str
    paths: Mapping[str, Path | None]


@dataclass(frozen=True)
class Command:
    """A step's own options, and how it is built from them."""

    help: str
    add_options: Callable[[argparse.ArgumentParser], None]
    build: Callable[[argparse.Namespace], Work]


def _if_there(folder: Path, *names: str) -> dict[str, Path | None]:
    paths = {name: folder / f"{name}.scp" for name in names}
    return {name: path if path.is_file() else None for name, path in paths.items()}


def _add_speechlm(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--train_config", type=Path, required=True, help="EXP/config.yaml")
    add("--model_file", type=Path, required=True, help="EXP/valid.loss.best.pth")
    add("--score_frames_scp", type=Path, required=True,
        help="dump/tokens/SET/score_frames.scp; svs_frames.scp beside it is read too")  # fmt: skip
    add("--prompt_scp", type=Path, help="dump/tokens/SET/prompt.scp; none: no singer is given")
    add("--decode_config", type=Path, help="conf/decode_speechlm.yaml")


def _speechlm(args: argparse.Namespace) -> Work:
    from espnet2_ext.inference.speechlm_steps import SpeechLMStep
    from espnet2_ext.speechlm.inference import SpeechLMInference, load_decoding

    decoding, dtype = load_decoding(args.decode_config), args.dtype or "float32"
    weights = digest_files(args.train_config, args.model_file)
    model = SpeechLMInference.load(args.train_config, args.model_file, args.device, dtype)
    paths = {"score_frames": args.score_frames_scp, "prompt": args.prompt_scp}
    paths |= _if_there(args.score_frames_scp.parent, "svs_frames")
    return Work(SpeechLMStep(model, decoding), f"{weights} {dtype}", paths)


def _add_soft(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--train_config", type=Path, required=True, help="config.yaml of the speech LM")
    add("--model_file", type=Path, required=True, help="its weights")
    add("--token_dir", type=Path, required=True, help="dump/tokens/SET: scores and prompts")
    add("--codec_ssl", type=Path, help="codec_ssl.scp sampled by the LM; default: --token_dir's")
    add("--tokenizer_dir", type=Path, required=True)
    add("--decode_config", type=Path, help="score_weight, prompt_guidance, soft_temperature hold")
    add("--batch_size", type=int, default=16)


def _soft(args: argparse.Namespace) -> Work:
    from espnet2_ext.flow.token_embedding import probe_tables
    from espnet2_ext.inference.speechlm_steps import SoftStep
    from espnet2_ext.speechlm.inference import SpeechLMInference, load_decoding
    from espnet2_ext.tokenizer.tokenizers import Tokenizers

    decoding, dtype = load_decoding(args.decode_config), args.dtype or "float32"
    weights = digest_files(args.train_config, args.model_file)
    model = SpeechLMInference.load(args.train_config, args.model_file, args.device, dtype)
    codec = Tokenizers.load(args.tokenizer_dir).codec
    tables, offset = probe_tables(
        codec.embed, codec.n_codebooks, codec.codebook_size, str(args.tokenizer_dir)
    )
    embeddings = hashlib.sha256(tables.numpy().tobytes() + offset.numpy().tobytes()).hexdigest()
    paths = {
        "codec_ssl": args.codec_ssl or args.token_dir / "codec_ssl.scp",
        "score_frames": args.token_dir / "score_frames.scp",
        "prompt": args.token_dir / "prompt.scp",
        **_if_there(args.token_dir, "svs_frames"),
    }
    step = SoftStep(model, decoding, tables, offset, args.batch_size)
    return Work(step, f"{weights} {embeddings} {dtype}", paths)


def _add_flow(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--train_config", type=Path, required=True, help="EXP/config.yaml")
    add("--model_file", type=Path, required=True, help="EXP/valid.loss.best.pth")
    add("--inference_config", type=Path, help="conf/decode_flow.yaml")
    add("--token_dir", type=Path, required=True, help="dump/tokens/SET: scores, prompts, tokens")
    add("--codec_ssl", type=Path, help="codec_ssl.scp sampled by an LM; default: --token_dir's")
    add("--soft", type=Path, help="codec embeddings that the LM expects, in place of its codes'")
    add("--tokenizer_dir", type=Path, help="check the model against it")
    add("--batch_frames", type=int, default=4000, help="token frames of a batch")
    add("--bfloat16", choices=("auto", "on", "off"), help="autocast (default: as trained)")


def _flow(args: argparse.Namespace) -> Work:
    from espnet2_ext.flow.inference import FlowInference, load_sampling
    from espnet2_ext.inference.flow_step import FlowStep

    sampling = load_sampling(args.inference_config)
    model = FlowInference.load(
        args.train_config, args.model_file, args.device, args.tokenizer_dir, args.batch_frames,
        args.bfloat16, args.dtype,
    )  # fmt: skip
    weights = digest_files(args.train_config, args.model_file)
    # "auto" is bfloat16 on some machines: what these decoded is not joined with the others'.
    precision = args.dtype or model.model.in_bfloat16(model.model.codec.offset.device)
    paths = {
        "codec_ssl": args.codec_ssl or args.token_dir / "codec_ssl.scp",
        **_if_there(args.token_dir, "score_frames", "prompt"),
        "soft": args.soft,
    }
    return Work(FlowStep(model, sampling), f"{weights} {precision} {args.batch_frames}", paths)


def _add_codec(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--tokenizer_dir", type=Path, required=True)
    add("--codec_ssl", type=Path, help="codec_ssl.scp")
    add("--codes", type=Path, help="instead: the codec's codes alone, as a CD flow writes")


def _codec(args: argparse.Namespace) -> Work:
    from espnet2_ext.inference.codec_step import CodecStep
    from espnet2_ext.tokenizer.dump import tokenizer_fingerprint
    from espnet2_ext.tokenizer.tokenizers import Tokenizers

    if (args.codec_ssl is None) == (args.codes is None):
        raise UserError("command line", "not one input", "either --codec_ssl or --codes")
    stream = "codec_ssl" if args.codec_ssl else "codes"
    step = CodecStep(Tokenizers.load(args.tokenizer_dir).to(args.device), stream)
    return Work(step, tokenizer_fingerprint(args.tokenizer_dir), {stream: getattr(args, stream)})


def _add_vocoder(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--model_dir", type=Path, required=True, help="experiment folder")
    add("--model_file", default="valid.loss.best.pth", help="checkpoint in it")
    add("--mel_scp", type=Path, required=True, help="natural-log mels")
    add("--f0_scp", type=Path, help="F0 in Hz of the same features")
    add("--score_scp", type=Path, help="score_frames.scp, for --f0_source score")
    add("--f0_source", choices=("feats", "predictor", "score"),
        help="F0 of --f0_scp, predicted from the mel, or the written notes; "
        "default: feats if --f0_scp is given, else predictor")  # fmt: skip
    add("--batch_size", type=int, default=8)
    add("--bfloat16", action="store_true", help="the same as --dtype bfloat16")
    add("--merge", action="store_true", help=argparse.SUPPRESS)  # of version 0.1.0; shards join


def _vocoder(args: argparse.Namespace) -> Work:
    from espnet2_ext.inference.vocoder_step import VocoderStep
    from espnet2_ext.vocoder.inference import VocoderInference

    source = args.f0_source or ("feats" if args.f0_scp else "predictor")
    for needs, path, option in (
        ("feats", args.f0_scp, "--f0_scp"),
        ("score", args.score_scp, "--score_scp"),
    ):
        if source == needs and path is None:
            raise UserError("--f0_source", source, f"{option} with it")
    dtype = args.dtype or ("bfloat16" if args.bfloat16 else None)
    config, checkpoint = args.model_dir / "config.yaml", args.model_dir / args.model_file
    model = VocoderInference.load(config, checkpoint, args.device, dtype)
    made_by = digest_files(config, checkpoint) + (f" {dtype}" if dtype else "")
    paths = {"mel": args.mel_scp, "f0": args.f0_scp, "score_frames": args.score_scp}
    return Work(VocoderStep(model, source, args.batch_size), made_by, paths)


COMMANDS = {
    "speechlm": Command("scores and prompts to tokens (stage 9)", _add_speechlm, _speechlm),
    "soft": Command("codec embeddings that a speech LM expects (stage 9)", _add_soft, _soft),
    "flow": Command("tokens to mel and F0 (stage 11)", _add_flow, _flow),
    "codec": Command("tokens to mel or audio by the codec alone (stage 11)", _add_codec, _codec),
    "vocoder": Command("mel and F0 to wavs (stage 13)", _add_vocoder, _vocoder),
}


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
    for name, command in COMMANDS.items():
        _add_options(steps.add_parser(name, help=command.help, description=command.help), command)
    return parser


def step_parsers() -> dict[str, argparse.ArgumentParser]:
    """The options of each step."""
    parsers = {name: argparse.ArgumentParser() for name in COMMANDS}
    for name, parser in parsers.items():
        _add_options(parser, COMMANDS[name])
    return parsers


def _add_options(parser: argparse.ArgumentParser, command: Command) -> None:
    command.add_options(parser)
    add = parser.add_argument
    add("--output_dir", type=Path, required=True)
    Shard.add_options(parser)
    add("--chunk_utts", type=int, default=CHUNK_UTTS, help="utterances between savepoints")
    add("--device", type=device_name, default="cpu", help="cpu, cuda, cuda:1 ...")
    add_dtype(parser)


@cli
def main(argv: Sequence[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    shard = Shard.of(args)
    if min(args.chunk_utts, getattr(args, "batch_size", 1)) < 1:
        raise UserError("--batch_size, --chunk_utts", "not positive", "1 or more")
    work = COMMANDS[args.step].build(args)
    from espnet2_ext.inference.over_tables import over_tables

    made_by = f"{work.made_by} {device_kind(args.device)}"
    same = f"{args.step} {made_by} {work.step.options} {work.paths}"
    with hold_shard(args.output_dir, shard.number, shard.count, same):
        complete = over_tables(
            work.step, made_by, work.paths, args.output_dir, shard, args.chunk_utts
        )
    logging.info("%s: %s", args.output_dir, "complete" if complete else "other shards run on")


def former_main(step: str) -> Callable[..., int]:
    """The `main` of a step's own command line, as version 0.1.0 had it."""
    return lambda argv=None: main([step, *(sys.argv[1:] if argv is None else argv)])


if __name__ == "__main__":
    main()
