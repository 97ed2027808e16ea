"""Build a masked generator from an experiment's configuration, with or without the tokenizers."""

from argparse import Namespace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from espnet2_ext.conditions.condition import Sizes
from espnet2_ext.conditions.prompt import PooledPrompt
from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config
from espnet2_ext.masked.config import MaskedConfig
from espnet2_ext.masked.model import ACOUSTIC, TARGETS, MaskedModel
from espnet2_ext.masked.training import MaskedTraining
from espnet2_ext.networks.code_rows import code_rows
from espnet2_ext.tokenizer.embedding_tables import embedding_tables

DEFAULTS = {"tokenizer_dir": None, "sizes": {}, "target": None, "model_conf": {}, "conditions": {}}
"""Every option of the task that a model is built from."""


def new_model(args: Namespace, place: str | Path = "config") -> MaskedTraining:
    """Build the untrained model that `args` (ESPnet's parsed options) describe.

    The tokenizers' sizes are left in ``args.sizes``, so that they stand in config.yaml.

    Raises:
        UserError: a bad option, no tokenizers, or others than those of ``args.sizes``.
    """
    if not args.tokenizer_dir:
        raise UserError(place, "missing", "a tokenizer folder", "tokenizer_dir")
    from espnet2_ext.tokenizer.tokenizers import Tokenizers

    tokenizers = Tokenizers.load(args.tokenizer_dir)
    sizes = sizes_of(tokenizers)
    if args.sizes and args.sizes != sizes:
        raise UserError(place, f"{args.sizes}", f"{args.tokenizer_dir}'s sizes", "sizes")
    args.sizes = sizes
    training = build_model(args, place)
    generator = training.model.generator
    if generator.config.codec_start:
        if args.target != ACOUSTIC:
            raise UserError(place, "true", f"target {ACOUSTIC}", "codec_start")
        tables, _ = embedding_tables(tokenizers.codec, args.tokenizer_dir)
        start_from_codec(training.model, tables, args.seed)
    return training


def build_model(args: Namespace, place: str | Path = "config") -> MaskedTraining:
    """Build a model whose weights are left to a checkpoint.

    Raises:
        UserError: an option that does not exist or does not fit.
    """
    if args.target not in TARGETS:
        raise UserError(place, f"{args.target!r}", f"one of {', '.join(TARGETS)}", "target")
    config = parse_config(MaskedConfig, args.model_conf, f"{place}: model_conf")
    sizes = Sizes(config.network.width, tuple(args.sizes["codes"]), 0, args.sizes["n_phones"])
    try:
        return MaskedTraining(
            MaskedModel(args.target, sizes, config, args.conditions or {}, str(place))
        )
    except ValueError as error:
        raise UserError(place, str(error)) from None


@torch.no_grad()
def start_from_codec(model: MaskedModel, tables: Tensor, seed: int = 0) -> None:
    """Set what an untrained model's codes start from: inputs, outputs, and those of pooled prompts.

    Args:
        model: Of acoustic tokens.
        tables: Codec embeddings by codebook and code (N, K, D), each codebook's of mean 0.
        seed: Of the rotation into its dimensions.
    """
    generator = model.generator
    rows = code_rows(tables, generator.config.network.width, seed)
    for codes, embedding, head in zip(rows, generator.token_emb, generator.to_logits, strict=True):
        for weight in (embedding.weight, head.weight):
            weight.copy_(codes * weight.std())
    for condition in model.conditions.values():
        if isinstance(condition, PooledPrompt):
            condition.start_from_codec(tables)


def sizes_of(tokenizers: Any) -> dict[str, Any]:
    """What a masked generator is built for, of a `Tokenizers`, as it stands in config.yaml."""
    return {"codes": list(tokenizers.sizes), "n_phones": len(tokenizers.phones)}
