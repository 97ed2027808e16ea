"""Weights that come from a file: loaded without pickle, strictly, every key and shape checked."""

import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from espnet2_ext.errors import UserError
from espnet2_ext.files import atomic_path
from espnet2_ext.no_code import know_states, plain_values_only

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
        except Exception as error:  # SafetensorError; a type that this PyTorch does not have
            raise UserError(path, f"not readable ({error})", "safetensors") from None
    try:
        state = torch.load(
            path, map_location="cpu", weights_only=True, mmap=mmap and zipfile.is_zipfile(path)
        )
    except Exception as error:  # damaged pickles make it raise anything
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UserError(path, f"not readable ({reason})", "plain weights") from None
    for key in wrappers:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise UserError(path, "not a flat mapping of tensors", "plain weights")
    return state


def require_plain(path: str | Path, expected: str) -> None:
    """Refuse a file of `torch.save` that holds more than tensors and plain values.

    Raises:
        UserError: it holds what may run code when it is read, or cannot be read.
    """
    know_states()
    try:
        unknown = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception as error:  # damaged pickles make it raise anything
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UserError(path, f"not readable ({reason})", expected) from None
    if unknown:
        found = f"{', '.join(sorted(unknown)[:_NAMES_SHOWN])}, which may run code"
        raise UserError(path, found, expected)


def save_torch(value: Any, path: str | Path, **options: Any) -> None:
    """As `torch.save`, but atomically; equal values make equal files, whatever their names."""
    with atomic_path(path) as part, open(part, "wb") as file:
        torch.save(value, file, **options)


def save_safetensors(
    state: Mapping[str, Tensor], path: str | Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors atomically; `metadata` values are strings."""
    with atomic_path(path) as part:
        save_file({k: v.detach().cpu().contiguous().clone() for k, v in state.items()}, part,
                  dict(metadata or {}))  # fmt: skip


def load_strict(model: _Model, state: Mapping[str, Tensor], place: str | Path) -> _Model:
    """Load `state` into `model`; a missing, extra or mis-shaped parameter is a `UserError`.

    Names that the model's parameters once had are known (`know_old_names`).
    """
    state = with_present_names(state, model)
    _require_fit(model, state, place)
    model.load_state_dict(state)
    return model


def know_old_names(module: nn.Module, names: Mapping[str, str]) -> None:
    """Have a module load weights that were saved when its parameters had other names.

    Whatever loads them, PyTorch's `load_state_dict` too (a training that is resumed), renames them.

    Args:
        module: Which has the names that they have now.
        names: Old name within the module -> present name; with a full stop (or the slash of an
            average's buffers) at their ends, of all parameters that begin so.
    """
    module.old_names = dict(names)
    module.register_load_state_dict_pre_hook(_rename)


def with_present_names(state: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """A copy of `state` whose parameters have the names that `model` gives them today.

    A name changes only where the model has none of the old one and one of the new one, which the
    state has not.
    """
    state = dict(state)
    for prefix, module in model.named_modules():
        if hasattr(module, "old_names"):
            _rename(module, state, f"{prefix}." if prefix else "")
    return state


def present_beginnings(beginning: str, model: nn.Module) -> list[str]:
    """The beginning of parameters' names, and what that of older names is today."""
    found = [beginning]
    for prefix, module in model.named_modules():
        for old, new in getattr(module, "old_names", {}).items():
            old, new = (f"{prefix}.{name}" if prefix else name for name in (old, new))
            if old[-1] in "./" and f"{beginning}{old[-1]}".startswith(old):
                found.append(new[:-1] + beginning[len(old) - 1 :])
    return found


def _rename(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    own = module.state_dict()
    for name in [name for name in state if name.startswith(prefix)]:
        within = name.removeprefix(prefix)
        for old, new in module.old_names.items():
            if within == old or (old.endswith((".", "/")) and within.startswith(old)):
                present = new + within.removeprefix(old)
                if within not in own and present in own and prefix + present not in state:
                    state[prefix + present] = state.pop(name)


def build_strict(
    build: Callable[[], _Model],
    state: Mapping[str, Tensor],
    config: str | Path,
    weights: str | Path,
    part: Callable[[_Model], nn.Module] = lambda model: model,
    slack: int = SLACK,
    renamed: Callable[[Mapping[str, Tensor], nn.Module], Mapping[str, Tensor]] | None = None,
) -> _Model:
    """Build the model of a foreign configuration (`build_within`), and load its weights, strictly.

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
    model = build_within(build, state, config, slack)
    module = part(model)
    load_strict(module, state if renamed is None else renamed(state, module), weights)
    return model


def build_within(
    build: Callable[[], _Model], state: Mapping[str, Tensor], config: str | Path, slack: int
) -> _Model:
    """Build the untrained model of a foreign configuration, no larger than its weights allow.

    A configuration that asks for a tensor, or for all together, of more than a few times the size
    of the weights is refused before it has the memory.

    Args:
        build: Makes the model.
        state: Its weights.
        config: Where the configuration was read, for errors.
        slack: Numbers that the model may have beyond the weights.

    Raises:
        UserError: a configuration that no model can be built of, or of a larger one.
    """
    try:
        with plain_values_only(), _AtMost(state, slack, config):
            return build()
    except UserError:
        raise
    except Exception as error:  # whatever a foreign value makes a constructor raise
        found = f"not a usable configuration ({type(error).__name__}: {error})"
        raise UserError(config, found) from error


class _AtMost(TorchDispatchMode):
    """Refuses to make a tensor that no model of certain weights has.

    Weight norms, initialisers and the like make a few times what a model keeps.
    """

    def __init__(self, state: Mapping[str, Tensor], slack: int, config: str | Path) -> None:
        super().__init__()
        self.numbers = 8 * sum(tensor.numel() for tensor in state.values()) + slack
        self.tensors = 16 * len(state) + 10_000
        self.config = config

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No model is compiled while it is built: torch need not import its compiler (2 s)."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = (*args, *(kwargs or {}).values())
        new = not any(isinstance(value, Tensor) for value in given)
        sizes = [value for value in given if isinstance(value, list | tuple)]
        if new and not sizes:
            sizes = [[value] for value in given]  # a length, as of torch.arange
        for size in sizes:
            if all(type(n) is int for n in size):
                self._require(math.prod(size) <= self.numbers)
        made = func(*args, **(kwargs or {}))
        if new and isinstance(made, Tensor):
            self.numbers, self.tensors = self.numbers - made.numel(), self.tensors - 1
            self._require(self.numbers >= 0 and self.tensors >= 0)
        return made

    def _require(self, fits: bool) -> None:
        if not fits:
            raise UserError(self.config, "a larger model", "that of its weights")


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
