"""Options of a file, held against the annotations of what they are for."""

import inspect
import math
import reprlib
import types
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from espnet2_ext.errors import UserError

MAX_INT = 2**63
_WORDS = {
    bool: "true or false", int: "an integer", float: "a number", str: "text", Path: "a path",
    type(None): "null",
}  # fmt: skip


def parse_config(cls: type, values: Any, place: str | Path, **given: Any) -> Any:
    """Build `cls` from a file's options, refusing keys that it does not have and values of other
    types than its annotations; a dataclass within it is built from the mapping given for it.

    Args:
        cls: A dataclass, or a class with an annotated constructor.
        values: Options, as a mapping.
        place: Their file, for errors.
        given: Arguments that no file may set.

    Raises:
        UserError: no mapping, an unknown key, a value of another type, or one that the class
            refuses.
    """
    if not isinstance(values, Mapping):
        raise UserError(place, f"{reprlib.repr(values)}", "a mapping of options")
    parameters = inspect.signature(cls).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    known = [n for n, p in parameters.items() if n not in given and p.kind is not p.VAR_KEYWORD]
    for key in values:
        if key in given or not (isinstance(key, str) and (takes_any or key in known)):
            raise UserError(place, f"unknown key {reprlib.repr(key)}", f"one of {', '.join(known)}")
    hints = get_type_hints(cls if is_dataclass(cls) else cls.__init__)
    options = {k: _fit(v, hints.get(k, Any), f"{place}", k) for k, v in values.items()}
    try:
        return cls(**given, **options)
    except UserError:
        raise
    except Exception as error:  # what a class, often not ours, raises for values it cannot take
        kind = "" if isinstance(error, TypeError | ValueError) else f"{type(error).__name__}: "
        raise UserError(place, f"{kind}{error}") from error


def _fit(value: Any, hint: Any, place: str, field: str) -> Any:
    nested = [h for h in (hint, *get_args(hint)) if is_dataclass(h)]
    if nested and isinstance(value, Mapping):
        return parse_config(nested[0], value, f"{place}: {field}")
    if not fits(value, hint):
        raise UserError(place, reprlib.repr(value), describe(hint), field)
    return value


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of an annotated type; an integer is a number, NaN and infinity none."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(fits(value, option) for option in args)
    if origin is Literal:
        return value in args
    if hint in (int, float) and isinstance(value, bool):
        return False
    if hint is int:
        return isinstance(value, int) and -MAX_INT <= value < MAX_INT
    if hint is float:
        return isinstance(value, int | float) and math.isfinite(value)
    if hint is Path:
        return isinstance(value, str | Path)
    kind = origin or hint
    if kind is Any or not isinstance(kind, type):
        return True
    if issubclass(kind, Mapping):
        key, item = args or (Any, Any)
        return isinstance(value, Mapping) and all(
            fits(k, key) and fits(v, item) for k, v in value.items()
        )
    if issubclass(kind, Sequence) and kind is not str:
        if not isinstance(value, list | tuple):
            return False
        if kind is tuple and args and args[-1] is not Ellipsis:
            return len(value) == len(args) and all(map(fits, value, args))
        return all(fits(item, args[0] if args else Any) for item in value)
    return isinstance(value, kind)


def describe(hint: Any) -> str:
    """An annotated type in words."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(describe(option) for option in args))
    if origin is Literal:
        return " or ".join(map(str, args))
    if hint in _WORDS:
        return _WORDS[hint]
    kind = origin or hint
    if isinstance(kind, type) and (issubclass(kind, Mapping) or is_dataclass(kind)):
        return "a mapping"
    if isinstance(kind, type) and issubclass(kind, Sequence):
        if kind is tuple and args and args[-1] is not Ellipsis:
            return f"a list of {len(args)}: " + ", ".join(map(describe, args))
        return "a list" + (f" of which each is {describe(args[0])}" if args else "")
    return getattr(kind, "__name__", "another type")
