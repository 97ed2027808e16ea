import math
import pickle

import numpy as np
import pytest

from espnet2_ext.errors import UserError, cli
from espnet2_ext.files import (
    ArkWriter,
    atomic_path,
    read_json,
    read_scp,
    read_table,
    read_yaml,
    write_json,
    write_text,
)


def test_a_failed_write_leaves_the_old_file_and_no_part(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_path(path) as part:
        part.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_duplicate_id_names_file_and_line(tmp_path):
    (tmp_path / "t").write_text("a 1\nb 2\na 3\n")
    with pytest.raises(UserError, match=r"t:3: duplicate id 'a'"):
        read_table(tmp_path / "t")


def test_not_utf8_names_the_line(tmp_path):
    (tmp_path / "t").write_bytes(b"a 1\nb \xff\n")
    with pytest.raises(UserError, match=r"t:2: bytes that are not UTF-8"):
        read_table(tmp_path / "t")


def test_yaml_never_builds_objects(tmp_path):
    (tmp_path / "c.yaml").write_text("a: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(UserError, match=r"c.yaml:1"):
        read_yaml(tmp_path / "c.yaml")


def test_ark_round_trip(tmp_path):
    arrays = {"a": np.arange(6), "b": np.random.rand(3, 2).astype("f4"), "中": np.ones(2, "f4")}
    with ArkWriter(tmp_path, "x") as writer:
        for key, value in arrays.items():
            writer[key] = value
    back = read_scp(tmp_path / "x.scp")
    assert list(back) == list(arrays)
    assert all(np.array_equal(back[k], v) for k, v in arrays.items())
    assert back["a"].dtype == np.int32


def test_an_ark_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), ArkWriter(tmp_path, "x") as writer:
        writer["a"] = np.arange(3)
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_cli_prints_one_line_and_exits_2(capsys):
    @cli
    def main():
        raise UserError("score.mid", "found\nthis", "that", "tempo")

    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert capsys.readouterr().err == "error: score.mid: tempo: found this (expected that)\n"


def test_a_message_is_short_and_holds_no_command_of_a_terminal():
    error = UserError("a" * 5000, "b\x1b[31m" * 5000, "c" * 5000, "d" * 5000)
    assert len(str(error)) < 2000 and "\x1b" not in str(error)
    assert str(error).startswith("aaa") and str(UserError("a", "x\x1b[2Jy")) == r"a: x\x1b[2Jy"


def test_an_error_of_a_worker_process_stays_whole():
    error = UserError("place", "found", "expected", "field")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) and again.field == "field"


def test_what_is_no_number_in_json_is_null(tmp_path):
    value = {"a": [math.nan, 1.5, (math.inf, np.float64("nan"))], "b": {"c": -math.inf, "d": "x"}}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == {"a": [None, 1.5, [None, None]],
                                              "b": {"c": None, "d": "x"}}  # fmt: skip
