"""YAML of foreign files: what is read, and what is refused in one line."""

import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_yaml
from espnet2_ext.yaml_text import MAX_DEPTH, parse_yaml


def test_plain_values_are_read_and_dates_are_text():
    text = "{a: 2020-01-01, b: 1e-3, c: 1.5, d: [x, null, true], e: 0x10, f: '1', g: =, h: -2E+3}"
    assert parse_yaml(text, "p") == {
        "a": "2020-01-01", "b": 1e-3, "c": 1.5, "d": ["x", None, True], "e": 16, "f": "1",
        "g": "=", "h": -2000.0,
    }  # fmt: skip
    assert parse_yaml("a: &x [1, 2]\nb: *x\nc: {<<: {d: 3}}", "p") == {
        "a": [1, 2], "b": [1, 2], "c": {"d": 3},
    }  # fmt: skip


BOMB = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 10)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "p:1: lists too deep"),
        ("{a: " * 100_000, "p:1: lists too deep"),
        ("- " * 100_000, "p:1: lists too deep"),
        (BOMB, "p:7: too many values"),
        ("a: &a [*a]", "p:1: an alias of what holds it"),
        ("a: &a {<<: *a}", "p:1: an alias of what holds it"),
        ("a: " + "9" * 5000, "p: a value that cannot be read"),
        ("a: " + "9" * 50, "p:1: a number too long"),
        ("a: 1" + ":1" * 50, "p:1: a number too long"),
        ("a: !!python/object/apply:os.getcwd []", "p:1: could not determine a constructor"),
        ("a: !!timestamp 2020-01-01", "p:1: could not determine a constructor"),
        ("a: !!binary aGk=", "p:1: could not determine a constructor"),
        ("a: !!int x", "p: a value that cannot be read"),
        ("a: !!int ''", "p: a value that cannot be read"),
        ("a: !!bool x", "p: a value that cannot be read"),
        ("a: \ud800", "p: half a character"),
        ("? [a]\n: b", "p:1: found unhashable key"),
    ],
)
def test_what_is_no_plain_value_is_one_line(text, message):
    with pytest.raises(UserError, match=message) as caught:
        parse_yaml(text, "p")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_lists_may_be_as_deep_as_any_options_are():
    depth = MAX_DEPTH - 1
    value = parse_yaml("[" * depth + "]" * depth, "p")
    for _ in range(depth - 1):
        (value,) = value
    assert value == []


def test_options_have_names(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("1: a\n")
    with pytest.raises(UserError, match=r"c\.yaml: a key 1"):
        read_yaml(path)
    path.write_bytes(b"\xef\xbb\xbfa: b\r\nc:\r\n- d\r\n")  # as Windows writes it
    assert read_yaml(path) == {"a": "b", "c": ["d"]}
