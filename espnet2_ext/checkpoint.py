"""Weights that come from a file: loaded without pickle, strictly, every key and shape checked."""

import contextlib
import pickle
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from espnet2_ext.errors import UserError
from espnet2_ext.files import atomic_path

_NAMES_SHOWN = 3
SLACK = 2**20
"""Numbers that a model may have beyond those of its weights: tables that it computes."""

_Model = TypeVar("_Model", bound=nn.Module)


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


def load_strict(model: _Model, state: Mapping[str, Tensor], place: str | Path) -> _Model:
    """Load `state` into `model`; a missing, extra or mis-shaped parameter is a `UserError`."""
    _require_fit(model, state, place)
    model.load_state_dict(dict(state))
    return model


def build_strict(
    build: Callable[[], _Model],
    state: Mapping[str, Tensor],
    config: str | Path,
    weights: str | Path,
    part: Callable[[_Model], nn.Module] = lambda model: model,
    slack: int = SLACK,
    renamed: Callable[[Mapping[str, Tensor], nn.Module], Mapping[str, Tensor]] | None = None,
) -> _Model:
    """Build the model of a foreign configuration and load its weights, strictly.

    It is built without memory first (on PyTorch's meta device) and held against the weights, so
    that a configuration asks for no more memory than its weights have.

    Args:
        build: Makes the untrained model.
        state: Its weights.
        config: Where the configuration was read, for errors.
        weights: Where the weights were read, for errors.
        part: What of the model the weights are of.
        slack: Numbers that the model may have beyond them: other parts, or tables it computes.
        renamed: Gives older weights the names that this part of the model has.

    Raises:
        UserError: a configuration that no model can be built of, or weights of another one.
    """
    with torch.device("meta"), _at_most(state, slack, config):
        fitting = part(_built(build, config))
        state = state if renamed is None else renamed(state, fitting)
        _require_fit(fitting, state, weights)
    model = _built(build, config)
    load_strict(part(model), state, weights)
    return model


def _built(build: Callable[[], _Model], config: str | Path) -> _Model:
    try:
        return build()
    except UserError:
        raise
    except Exception as error:  # whatever a foreign value makes a constructor raise
        found = f"not a usable configuration ({type(error).__name__}: {error})"
        raise UserError(config, found) from error


@contextlib.contextmanager
def _at_most(state: Mapping[str, Tensor], slack: int, config: str | Path) -> Iterator[None]:
    """Stop a model from growing past its weights while it is built."""
    # weight norms and the like register a parameter more than once
    most_numbers = 4 * sum(tensor.numel() for tensor in state.values()) + slack
    most_tensors = 4 * len(state) + 1000
    numbers = tensors = 0

    def count(module: nn.Module, name: str, tensor: Tensor | None) -> None:
        nonlocal numbers, tensors
        if tensor is not None:
            numbers, tensors = numbers + tensor.numel(), tensors + 1
            if numbers > most_numbers or tensors > most_tensors:
                raise UserError(config, "a larger model", "that of its weights")

    hooks = (
        nn.modules.module.register_module_parameter_registration_hook(count),
        nn.modules.module.register_module_buffer_registration_hook(count),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _require_fit(model: nn.Module, state: Mapping[str, Tensor], place: str | Path) -> None:
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
