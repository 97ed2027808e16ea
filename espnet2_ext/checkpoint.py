"""Weights that come from a file: loaded without pickle, strictly, every key and shape checked."""

import argparse
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from espnet2_ext.errors import UserError
from espnet2_ext.files import atomic_path, read_yaml

_NAMES_SHOWN = 3


def load_state(
    path: str | Path, wrappers: Sequence[str] = (), mmap: bool = False
) -> dict[str, Tensor]:
    """Read a state dict from ``.safetensors`` or a plain ``.pth`` (weights only).

    Args:
        path: The file.
        wrappers: Keys that may hold the state, as in ``{"model": state}``.
        mmap: Map a ``.pth`` into memory: for large files, which nobody writes meanwhile (a reader
            of a mapped file that shrinks is killed).

    Raises:
        UserError: the file is missing, broken, or needs unpickling.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(path, "no such file", "a checkpoint")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise UserError(path, f"not readable ({error})", "safetensors") from None
    try:
        state = torch.load(
            path, map_location="cpu", weights_only=True, mmap=mmap and zipfile.is_zipfile(path)
        )
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, KeyError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UserError(path, f"not readable ({reason})", "plain weights") from None
    for key in wrappers:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise UserError(path, "not a flat mapping of tensors", "plain weights")
    return state


def save_safetensors(
    state: Mapping[str, Tensor], path: str | Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors atomically; `metadata` values are strings."""
    with atomic_path(path) as part:
        save_file({k: v.detach().cpu().contiguous().clone() for k, v in state.items()}, part,
                  dict(metadata or {}))  # fmt: skip


def load_strict(model: nn.Module, state: Mapping[str, Tensor], place: str | Path) -> nn.Module:
    """Load `state` into `model`; a missing, extra or mis-shaped parameter is a `UserError`."""
    own = model.state_dict()
    for what, names in (
        ("missing", sorted(own.keys() - state.keys())),
        ("unknown", sorted(state.keys() - own.keys())),
    ):
        if names:
            more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
            raise UserError(place, f"{what} parameter {', '.join(names[:_NAMES_SHOWN])}{more}")
    for name, tensor in own.items():
        if tensor.shape != state[name].shape:
            raise UserError(
                place, f"shape {tuple(state[name].shape)}", f"{tuple(tensor.shape)}", name
            )
    model.load_state_dict(state)
    return model


def build_from_config(task: type, config: str | Path) -> tuple[nn.Module, argparse.Namespace]:
    """Build the model of an ESPnet task from its ``config.yaml``, untrained.

    Raises:
        UserError: the file is not this task's configuration.
    """
    args = argparse.Namespace(**read_yaml(config))
    try:
        return task.build_model(args), args
    except (AttributeError, TypeError, KeyError) as error:
        raise UserError(config, f"not a configuration of {task.__name__} ({error})") from None
