"""Options of a file are of the types that their class says."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from espnet2_ext.config_types import parse_config
from espnet2_ext.errors import UserError


@dataclass(frozen=True)
class Inner:
    size: int = 1


@dataclass(frozen=True)
class Options:
    n: int = 1
    x: float = 1.0
    on: bool = False
    name: str | None = None
    names: Sequence[str] = ()
    pair: tuple[int, int] = (0, 1)
    table: Mapping[str, int] = field(default_factory=dict)
    kind: Literal["a", "b"] = "a"
    inner: Inner | None = None
    rest: Any = None

    def __post_init__(self) -> None:
        if self.n < 0:
            raise ValueError(f"n {self.n} is below 0")
        if self.n == 99:
            raise RuntimeError("not that one")


class Widget:
    def __init__(self, given: int, size: int = 1, **more: float) -> None:
        self.total = given + size + sum(more.values())


def test_values_of_the_right_types_are_taken():
    values = {"n": 3, "x": 2, "on": True, "name": "s", "names": ["a"], "pair": [1, 2],
              "table": {"a": 1}, "kind": "b", "inner": {"size": 4}, "rest": object}  # fmt: skip
    options = parse_config(Options, values, "p")
    assert options.inner == Inner(4) and options.pair == [1, 2] and options.x == 2
    assert parse_config(Widget, {"size": 2, "other": 1.5}, "p", given=1).total == 4.5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], r"p: \[\] \(expected a mapping of options\)"),
        ({"m": 1}, "p: unknown key 'm'"),
        ({1: 1}, "p: unknown key 1"),
        ({"n": "3"}, r"p: n: '3' \(expected an integer\)"),
        ({"n": True}, r"p: n: True \(expected an integer\)"),
        ({"n": 1.5}, r"p: n: 1.5 \(expected an integer\)"),
        ({"n": 2**63}, "p: n: 9223372036854775808"),
        ({"x": math.nan}, r"p: x: nan \(expected a number\)"),
        ({"x": math.inf}, "p: x: inf"),
        ({"on": 1}, r"p: on: 1 \(expected true or false\)"),
        ({"name": 20200101}, r"p: name: 20200101 \(expected text or null\)"),
        ({"names": "ab"}, r"p: names: 'ab' \(expected a list of which each is text\)"),
        ({"names": ["a", 1]}, "p: names:"),
        ({"pair": [1]}, r"p: pair: \[1\] \(expected a list of 2: an integer, an integer\)"),
        ({"table": {"a": "b"}}, "p: table: .*expected a mapping"),
        ({"kind": "c"}, r"p: kind: 'c' \(expected a or b\)"),
        ({"inner": {"size": "x"}}, "p: inner: size: 'x'"),
        ({"inner": 3}, r"p: inner: 3 \(expected a mapping or null\)"),
        ({"n": -1}, r"p: n -1 is below 0"),
        ({"n": 99}, r"p: RuntimeError: not that one"),
        ({"name": ["x" * 9999]}, "p: name: "),
    ],
)
def test_others_are_named(values, message):
    with pytest.raises(UserError, match=message) as caught:
        parse_config(Options, values, "p")
    assert len(str(caught.value)) < 300


def test_what_the_caller_gives_no_file_may_set():
    with pytest.raises(UserError, match="unknown key 'given'"):
        parse_config(Widget, {"given": 2}, "p", given=1)
