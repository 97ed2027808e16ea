"""What all steps over Kaldi tables have in common."""

import argparse
import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from espnet2_ext.device import add_dtype, device_name
from espnet2_ext.digest import device_kind, digest_files_once
from espnet2_ext.errors import UserError
from espnet2_ext.lock import hold_shard
from espnet2_ext.resumable import CHUNK_UTTS, Shard

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from espnet2_ext.inference.step import Step
    from espnet2_ext.mel_vae.inference import MelVAE
    from espnet2_ext.speechlm.inference import DecodingConfig, SpeechLMInference


def add_common(parser: argparse.ArgumentParser, dtype: bool = True) -> None:
    """Options of every step; `dtype`: its networks compute in a precision that may be asked for."""
    add = parser.add_argument
    add("--output_dir", type=Path, required=True, help="a killed run goes on there")
    Shard.add_options(parser)
    add("--chunk_utts", type=int, default=CHUNK_UTTS, help="utterances between savepoints")
    add("--device", type=device_name, default="cpu", help="cpu, cuda, cuda:1 ...")
    if dtype:
        add_dtype(parser)


def check_common(args: argparse.Namespace) -> None:
    """Refuse numbers that cannot be, before anything is loaded; raises `UserError`."""
    Shard.of(args)
    if min(args.chunk_utts, getattr(args, "batch_size", 1)) < 1:
        raise UserError("--batch_size, --chunk_utts", "not positive", "1 or more")


def add_model(parser: argparse.ArgumentParser) -> None:
    """A speech LM or a flow, and ``--more``: streams of other conditions, which it may read."""
    add = parser.add_argument
    add("--train_config", type=Path, required=True, help="EXP/config.yaml")
    add("--model_file", type=Path, required=True, help="EXP/valid.loss.best.pth")
    help = "a stream of another condition that the model has (docs/conditions.md); may stand again"
    add("--more", action="append", default=[], metavar="NAME=SCP", help=help)


def add_mel_vae(parser: argparse.ArgumentParser) -> None:
    """A mel-VAE's experiment."""
    add = parser.add_argument
    add("--model_dir", type=Path, required=True, help="experiment folder of `train mel_vae`")
    add("--model_file", default="valid.loss.best.pth", help="checkpoint in it")


def run_mel_vae(
    args: argparse.Namespace, step: "Callable[[MelVAE], Step]", paths: Mapping[str, Path]
) -> None:
    """Do a step of the mel-VAE that the command line names."""
    from espnet2_ext.mel_vae.inference import MelVAE

    config, checkpoint = args.model_dir / "config.yaml", args.model_dir / args.model_file
    model = MelVAE.load(config, checkpoint, args.device)
    made_by = digest_files_once(args.output_dir, config, checkpoint)
    run_step(args, step(model), made_by, paths)


def load_speechlm(args: argparse.Namespace) -> tuple["SpeechLMInference", "DecodingConfig", str]:
    """The speech LM, its ``--decode_config``, and what the two were made from."""
    from espnet2_ext.speechlm.inference import SpeechLMInference, load_decoding

    decoding, dtype = load_decoding(args.decode_config), args.dtype or "float32"
    model = SpeechLMInference.load(args.train_config, args.model_file, args.device, dtype)
    weights = digest_files_once(args.output_dir, args.train_config, args.model_file)
    return model, decoding, f"{weights} {dtype}"


def _more_tables(args: argparse.Namespace, model: Any) -> dict[str, Path | None]:
    """The tables of ``--more``.

    Raises:
        UserError: no such pair, or a stream that `model` does not read.
    """
    tables: dict[str, Path | None] = {}
    for pair in args.more:
        name, equals, path = pair.partition("=")
        if not equals or not path:
            raise UserError("--more", pair, "NAME=SCP")
        if name not in model.more_streams:
            known = ", ".join(model.more_streams) or "none: the model has no other conditions"
            raise UserError("--more", name, known)
        tables[name] = Path(path)
    return tables


def tables_there(folder: Path, *names: str) -> dict[str, Path | None]:
    """Tables of a token folder; None for one that it lacks."""
    paths = {name: folder / f"{name}.scp" for name in names}
    return {name: path if path.is_file() else None for name, path in paths.items()}


def codec_embeddings(tokenizer_dir: Path) -> "tuple[Tensor, Tensor, str]":
    """Tables and offset of a codec's embedding (`embedding_tables`), and their digest."""
    from espnet2_ext.tokenizer.embedding_tables import embedding_tables
    from espnet2_ext.tokenizer.tokenizers import Tokenizers

    tables, offset = embedding_tables(Tokenizers.load(tokenizer_dir).codec, str(tokenizer_dir))
    digest = hashlib.sha256(tables.numpy().tobytes() + offset.numpy().tobytes())
    return tables, offset, digest.hexdigest()


def run_step(
    args: argparse.Namespace, step: Any, made_by: str, paths: Mapping[str, Path | None]
) -> None:
    """Do this job's part, and join all parts if none is missing.

    Args:
        args: Of the command line.
        step: The step.
        made_by: What its model was made from.
        paths: Tables of its streams; None: not given. Those of ``--more`` are added.
    """
    if hasattr(args, "more"):
        paths = {**paths, **_more_tables(args, step.model)}
    from espnet2_ext.inference.over_tables import over_tables

    shard, made_by = Shard.of(args), f"{made_by} {device_kind(args.device)}"
    same = f"{type(step).__name__} {made_by} {step.options} {paths}"
    with hold_shard(args.output_dir, shard.number, shard.count, same):
        complete = over_tables(step, made_by, paths, args.output_dir, shard, args.chunk_utts)
    logging.info("%s: %s", args.output_dir, "complete" if complete else "other shards run on")
