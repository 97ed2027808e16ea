"""YAML that somebody else wrote: plain values only, of bounded depth and size, errors in one line.

PyYAML's fast loader descends by recursion in C, so that a file of 100,000 opening brackets ends the
process; an alias of aliases unfolds without bound where it is written or compared. The events of a
file are therefore counted before anything is built from them.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from espnet2_ext.errors import UserError

MAX_DEPTH = 32
MAX_NODES = 2_000_000
"""Values of a file, those behind an alias counted each time."""

# libyaml's, where PyYAML has it, reads a token list of 60,000 lines in a sixth of the time
_SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_EVENT_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
_PLAIN = ("null", "bool", "int", "float", "str", "seq", "map")
_TAG = "tag:yaml.org,2002:"
_MAX_INT = 2**63


def events(text: str, place: str | Path, unfold: bool = True) -> Iterator[yaml.Event]:
    """The events of a YAML text.

    Args:
        text: The whole of it.
        place: Its file, for errors.
        unfold: An alias counts as all that it stands for, and may not stand for what holds it;
            off for a reader that never unfolds one.

    Raises:
        UserError: broken YAML, lists too deep, too many values, or an alias of what holds it.
    """
    sizes: dict[str, int] = {}  # values behind each anchor
    open_anchors: list[str | None] = []
    counts = [0]  # values in the stream, then in each collection that is open
    try:
        for event in yaml.parse(text, Loader=_EVENT_LOADER):
            if isinstance(event, yaml.CollectionStartEvent):
                open_anchors.append(event.anchor)
                counts.append(1)
                if len(open_anchors) >= MAX_DEPTH:
                    raise _refusal(place, event, "lists too deep", f"at most {MAX_DEPTH}")
            elif isinstance(event, yaml.CollectionEndEvent):
                size, anchor = counts.pop(), open_anchors.pop()
                counts[-1] += size
                if anchor is not None:
                    sizes[anchor] = size
            elif isinstance(event, yaml.ScalarEvent):
                counts[-1] += 1
                if event.anchor is not None:
                    sizes[event.anchor] = 1
            elif isinstance(event, yaml.AliasEvent):
                if unfold and event.anchor in open_anchors:
                    raise _refusal(place, event, "an alias of what holds it", "a tree of values")
                counts[-1] += sizes.get(event.anchor, 1) if unfold else 1
            if counts[-1] > MAX_NODES:
                raise _refusal(place, event, "too many values", f"at most {MAX_NODES}")
            yield event
    except yaml.YAMLError as error:
        raise _broken(error, place) from None
    except UnicodeEncodeError:
        raise UserError(place, "half a character", "Unicode text") from None


def parse_yaml(text: str, place: str | Path) -> Any:
    """Read YAML as plain values: mappings, lists, text, numbers, booleans and null.

    Dates are text, and ``1e-3`` is a number, as in YAML 1.2.

    Raises:
        UserError: as `events`; also a tag that stands for anything else, or a number too long.
    """
    for _ in events(text, place):
        pass
    try:
        return yaml.load(text, _PlainLoader)
    except yaml.YAMLError as error:
        raise _broken(error, place) from None
    except (ValueError, OverflowError, LookupError) as error:
        raise UserError(place, f"a value that cannot be read ({error})", "YAML") from None


class _PlainLoader(_SAFE_LOADER):
    """PyYAML's safe loader, of plain values alone."""


def _integer(loader: Any, node: yaml.Node) -> int:
    value = _SAFE_LOADER.construct_yaml_int(loader, node)
    if not -_MAX_INT <= value < _MAX_INT:
        raise yaml.constructor.ConstructorError(None, None, "a number too long", node.start_mark)
    return value


_PlainLoader.yaml_constructors = {
    tag: make
    for tag, make in _SAFE_LOADER.yaml_constructors.items()
    if tag is None or tag.removeprefix(_TAG) in _PLAIN
} | {f"{_TAG}int": _integer}
_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in resolvers if tag.removeprefix(_TAG) in (*_PLAIN, "merge")]
    for first, resolvers in _SAFE_LOADER.yaml_implicit_resolvers.items()
}
_PlainLoader.add_implicit_resolver(
    f"{_TAG}float",
    re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+$"),
    [*"-+.0123456789"],
)


def _refusal(place: str | Path, event: yaml.Event, found: str, expected: str) -> UserError:
    return UserError(f"{place}:{event.start_mark.line + 1}", found, expected)


def _broken(error: yaml.YAMLError, place: str | Path) -> UserError:
    mark = getattr(error, "problem_mark", None)
    where = f"{place}:{mark.line + 1}" if mark else place
    return UserError(where, getattr(error, "problem", None) or "bad YAML", "YAML")
