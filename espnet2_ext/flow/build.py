"""Build a flow model from its configuration, with or without the tokenizers at hand."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_config
from espnet2_ext.flow.condition import JointCondition
from espnet2_ext.flow.config import FlowConfig
from espnet2_ext.flow.convnext import ConvNeXtVelocity
from espnet2_ext.flow.dit import DiTVelocity
from espnet2_ext.flow.model import MelFlow
from espnet2_ext.flow.token_embedding import Geometry
from espnet2_ext.networks.mmdit import MMDiT
from espnet2_ext.tokenizer.embedding_tables import embedding_tables

VELOCITIES: dict[str, type[nn.Module]] = {
    "convnext": ConvNeXtVelocity,
    "dit": DiTVelocity,
    "mmdit": MMDiT,
}


def flow_config(values: Mapping[str, Any], place: str | Path) -> FlowConfig:
    """``model_conf`` with its nested sections; unknown keys are refused."""
    if isinstance(values, Mapping) and "space" in values and values["space"] is None:
        values = {**values, "space": {}}
    return parse_config(FlowConfig, values, place)


def new_model(args: Namespace, place: str | Path = "config") -> MelFlow:
    """Build the untrained model that `args` (ESPnet's parsed options) describe.

    Sizes and codec tables come from ``tokenizer_dir``; the sizes are left in ``args.geometry``,
    so that they stand in the experiment's config.yaml.

    Raises:
        UserError: a bad option, or no tokenizers.
    """
    if not args.tokenizer_dir:
        raise UserError(place, "missing", "a tokenizer folder", "tokenizer_dir")
    from espnet2_ext.tokenizer.tokenizers import Tokenizers

    tokenizers = Tokenizers.load(args.tokenizer_dir)
    geometry = geometry_of(tokenizers)
    if args.geometry and Geometry(**args.geometry) != geometry:
        raise UserError(place, f"{args.geometry}", f"{args.tokenizer_dir}'s sizes", "geometry")
    args.geometry = geometry.asdict()
    model = build_model(args, geometry, place)
    fill(model, tokenizers, args.tokenizer_dir)
    return model


def build_model(args: Namespace, geometry: Geometry, place: str | Path = "config") -> MelFlow:
    """Build a model whose tables are left to a checkpoint.

    Raises:
        UserError: an option that does not exist or does not fit.
    """
    config = flow_config(args.model_conf, f"{place}: model_conf")
    if not isinstance(args.velocity, str) or args.velocity not in VELOCITIES:
        raise UserError(place, f"{args.velocity!r}", f"one of {', '.join(VELOCITIES)}", "velocity")
    network = VELOCITIES[args.velocity]
    condition = parse_config(
        JointCondition,
        args.condition_conf,
        f"{place}: condition_conf",
        geometry=geometry,
        text_stream=network.takes_text,
    )
    try:
        dims = {
            "data_dim": MelFlow.space_dim(geometry, config),
            "condition_dim": condition.condition_dim,
            "vector_dim": condition.vector_dim,
        }
        if network.takes_text:
            dims["text_dim"] = condition.text_dim
        velocity = parse_config(network, args.velocity_conf, f"{place}: velocity_conf", **dims)
        return MelFlow(geometry, config, condition, velocity)
    except ValueError as error:
        raise UserError(place, str(error)) from None


def geometry_of(tokenizers: Any) -> Geometry:
    """Sizes of a `Tokenizers`."""
    codec = tokenizers.codec
    return Geometry(
        ssl_size=tokenizers.sizes[0],
        n_codebooks=codec.n_codebooks,
        codebook_size=codec.codebook_size,
        embed_dim=codec.dim,
        mel=tokenizers.mel.asdict(),
        mel_codec=hasattr(codec, "decode_mel"),
        n_phones=len(tokenizers.phones),
    )


def fill(model: MelFlow, tokenizers: Any, place: str | Path) -> None:
    """Copy the tokenizers' tables and mel statistics into the model's buffers."""
    codec = tokenizers.codec
    tables = embedding_tables(codec, str(place))
    model.codec.fill(*tables)
    model.space.mel_mean.copy_(tokenizers.mel_mean)
    model.space.mel_std.copy_(tokenizers.mel_std)
    if model.geometry.mel_codec:
        model.space.codec_mel_scale.copy_(1 / codec.scale)
        model.space.codec_mel_shift.copy_(codec.mean)
