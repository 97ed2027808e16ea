"""A fitted judge on the disk: ``NAME.yaml`` and ``NAME.safetensors``."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import yaml
from torch import nn

from espnet2_ext.checkpoint import build_strict, load_state, save_safetensors
from espnet2_ext.files import parse_config, read_yaml, write_text

_Network = TypeVar("_Network", bound=nn.Module)


def save_judge(folder: str | Path, name: str, config: Any, network: nn.Module) -> None:
    """Write both files; the configuration (a dataclass) last, so that it marks a finished judge."""
    path = Path(folder) / f"{name}.yaml"
    save_safetensors(network.state_dict(), path.with_suffix(".safetensors"))
    values = asdict(config)
    lists = {key: list(value) for key, value in values.items() if isinstance(value, tuple)}
    write_text(path, yaml.safe_dump(values | lists, sort_keys=False))


def load_judge(
    folder: str | Path, name: str, config_class: type, network_class: Callable[[Any], _Network]
) -> tuple[Any, _Network]:
    """Read both files strictly: the configuration, and the network built from it.

    Raises:
        UserError: a file is missing or broken, or they disagree.
    """
    path = Path(folder) / f"{name}.yaml"
    config = parse_config(config_class, read_yaml(path), path)
    weights = path.with_suffix(".safetensors")
    return config, build_strict(lambda: network_class(config), load_state(weights), path, weights)
