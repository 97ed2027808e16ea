"""Scores and prompts to tokens, by two trained masked generators."""

import argparse
from pathlib import Path
from typing import Any

from espnet2_ext.bin.infer._common import (
    add_common,
    check_common,
    codec_embeddings,
    run_step,
    tables_there,
)
from espnet2_ext.digest import digest_files_once
from espnet2_ext.errors import UserError


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--acoustic_dir", type=Path, required=True, help="experiment of the acoustic tokens")
    add("--acoustic_file", default="valid.loss.best.pth", help="of its weights")
    add("--semantic_dir", type=Path, help="experiment of the semantic tokens; none: take the "
        "semantic tokens of --token_dir")  # fmt: skip
    add(
        "--semantic_file",
        default="valid.loss.best.pth",
        help="checkpoint in the folder of the generator of semantic tokens",
    )
    add("--token_dir", type=Path, required=True, help="dump/tokens/SET: scores, prompts, tokens")
    add("--decode_config", type=Path, help="sections semantic and acoustic, options of decoding")
    add("--transcription_dir", type=Path, help="experiment of a transcription, which chooses among "
        "takes, for decoding with nbest above 1")  # fmt: skip
    add(
        "--transcription_file",
        default="valid.loss.best.pth",
        help="checkpoint in the folder of the transcription",
    )
    add("--tokenizer_dir", type=Path, help="the codec, for decoding with soft: true")
    add_common(parser)


def run(args: argparse.Namespace) -> None:
    check_common(args)
    from espnet2_ext.inference.masked_step import MaskedStep
    from espnet2_ext.masked.inference import MaskedInference, load_decoding
    from espnet2_ext.transcription.inference import TranscriptionInference

    def load(kind: type, folder: Path | None, file: str, *options: Any) -> Any:
        if folder is None:
            return None
        files.extend((folder / "config.yaml", folder / file))
        return kind.load(*files[-2:], args.device, *options)

    files: list[Path] = []
    decoding = tuple(load_decoding(args.decode_config, stage) for stage in ("semantic", "acoustic"))
    hears = decoding[1].nbest > 1
    if hears and args.transcription_dir is None:
        found = f"nbest: {decoding[1].nbest}"
        raise UserError(args.decode_config, found, "--transcription_dir beside it", "acoustic")
    acoustic = load(MaskedInference, args.acoustic_dir, args.acoustic_file, args.dtype)
    semantic = load(MaskedInference, args.semantic_dir, args.semantic_file, args.dtype)
    heard_by = args.transcription_dir if hears else None
    transcription = load(TranscriptionInference, heard_by, args.transcription_file)
    made_by, embeddings = f"{digest_files_once(args.output_dir, *files)} {args.dtype}", None
    if decoding[1].soft:
        if args.tokenizer_dir is None:
            raise UserError(args.decode_config, "soft: true", "--tokenizer_dir beside it")
        tables, offset, digest = codec_embeddings(args.tokenizer_dir)
        embeddings, made_by = (tables, offset), f"{made_by} {digest}"
    paths = {
        "score_frames": args.token_dir / "score_frames.scp",
        **tables_there(args.token_dir, "prompt", "codec_ssl"),
    }
    step = MaskedStep(acoustic, semantic, decoding, embeddings, transcription)
    run_step(args, step, made_by, paths)
