"""Options of trainings as ESPnet takes them, read safely: YAML files and ``--..._conf KEY=VALUE``.

ESPnet's own reading evaluates what stands in an option, builds what a YAML tag names, and takes
1e-3 for a string.
"""

import argparse
import ast
from collections.abc import Sequence
from typing import Any

from espnet2.utils.config_argparse import ArgumentParser
from espnet2.utils.nested_dict_action import NestedDictAction

from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_yaml, read_yaml


class SafeDictAction(NestedDictAction):
    """``--conf a.b=3 --conf "{c: 4}"``; raises `UserError` for what is neither."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str,
        option_string: str | None = None,
    ) -> None:
        place = option_string or self.dest
        given = getattr(namespace, self.dest, None)
        given = _copy(given) if isinstance(given, dict) else {}
        key, equals, text = values.partition("=")
        if not equals or values.lstrip().startswith("{"):
            given.update(_mapping(values, place))
        else:
            inner = given
            *outer, last = key.split(".")
            for name in outer:
                if not isinstance(inner.get(name), dict):
                    inner[name] = {}
                inner = inner[name]
            inner[last] = parse_yaml(text, f"{place} {values}") if text.strip() else text
        setattr(namespace, self.dest, given)


class SafeOptionParser(ArgumentParser):
    """ESPnet's parser; its ``--config`` is read by our `read_yaml`."""

    def parse_known_args(
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As ESPnet's; raises `UserError` for a YAML that cannot be read or an unknown key."""
        parse = super(ArgumentParser, self).parse_known_args
        named, _ = parse(args, namespace)
        if named.config is not None:
            kinds = {action.dest: action.type for action in self._actions}
            values = read_yaml(named.config)
            for key in values:
                if key not in kinds:
                    raise UserError(named.config, f"unknown key {key!r}", "an option's name")
            self.set_defaults(**{key: _whole(values[key], kinds[key]) for key in values})
        return parse(args, namespace)


def read_safely(parser: argparse.ArgumentParser) -> None:
    """Have a parser that ESPnet built read its options as this module does."""
    parser.__class__ = SafeOptionParser
    for action in parser._actions:
        if isinstance(action, NestedDictAction):
            action.__class__ = SafeDictAction


def read_safely_everywhere() -> None:
    """Have every parser of ESPnet's in this process do so."""
    ArgumentParser.parse_known_args = SafeOptionParser.parse_known_args
    NestedDictAction.__call__ = SafeDictAction.__call__


def _whole(value: Any, kind: Any) -> Any:
    """`value`; as an int if it is a whole float, such as 1e5, of an option that takes ints."""
    return int(value) if kind is int and isinstance(value, float) and value % 1 == 0 else value


def _mapping(text: str, place: str) -> dict[str, Any]:
    """A mapping written in Python or in YAML."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        value = parse_yaml(text, f"{place} {text}")
    if not isinstance(value, dict):
        raise UserError(place, repr(text), "KEY=VALUE or a mapping such as {lr: 1e-3}")
    return value


def _copy(mapping: dict) -> dict:
    return {k: _copy(v) if isinstance(v, dict) else v for k, v in mapping.items()}
