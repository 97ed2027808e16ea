"""Build a masked generator from an experiment's configuration, with or without the tokenizers."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from espnet2_ext.conditions.condition import Sizes
from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config
from espnet2_ext.masked.config import MaskedConfig
from espnet2_ext.masked.model import TARGETS, MaskedModel
from espnet2_ext.masked.training import MaskedTraining

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

    sizes = sizes_of(Tokenizers.load(args.tokenizer_dir))
    if args.sizes and args.sizes != sizes:
        raise UserError(place, f"{args.sizes}", f"{args.tokenizer_dir}'s sizes", "sizes")
    args.sizes = sizes
    return build_model(args, place)


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


def sizes_of(tokenizers: Any) -> dict[str, Any]:
    """What a masked generator is built for, of a `Tokenizers`, as it stands in config.yaml."""
    return {"codes": list(tokenizers.sizes), "n_phones": len(tokenizers.phones)}
