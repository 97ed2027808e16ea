"""Options of trainings: what their values are read as, and what is refused."""

import argparse
import os
import subprocess
import sys

import pytest
from espnet2.utils.config_argparse import ArgumentParser
from espnet2.utils.nested_dict_action import NestedDictAction

from espnet2_ext.errors import UserError
from espnet2_ext.tasks.duration import DurationTask
from espnet2_ext.tasks.options import read_safely


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    parser = ArgumentParser()
    parser.add_argument("--conf", action=NestedDictAction, default={})
    parser.add_argument("--max_epoch", type=int, default=1)
    parser.add_argument("--grad_clip", type=float, default=1.0)
    read_safely(parser)
    return parser


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        ("1e3", 1000.0),
        ("-.5e+2", -50.0),
        ("2.5e3", 2500.0),
        ("1.0e-3", 1e-3),
        ("3", 3),
        ("[1e-1, 0.9]", [0.1, 0.9]),
        ("{b: 2e-2}", {"b": 0.02}),
        ("e3", "e3"),
        ("1e", "1e"),
        ("1e3x", "1e3x"),
        ("'1e3'", "1e3"),
        ("true", True),
        ("", ""),
    ],
)
def test_a_number_with_an_exponent_is_a_number(parser, text, value):
    conf = parser.parse_args(["--conf", f"a={text}"]).conf
    assert conf == {"a": value} and type(conf["a"]) is type(value)


def test_options_add_up_as_in_espnet(parser):
    given = ["--conf", "a=3", "--conf", "c.d=4", "--conf", "{'e': 5}", "--conf", "{f: 1e-6}"]
    assert parser.parse_args(given).conf == {"a": 3, "c": {"d": 4}, "e": 5, "f": 1e-6}
    assert parser.parse_args([]).conf == {}


def test_a_configuration_file_is_read_alike(parser, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("conf: {lr: 1e-3}\nmax_epoch: 1e1\ngrad_clip: 5e-1\n")
    args = parser.parse_args(["--config", str(config), "--conf", "eps=1e-8"])
    assert args.conf == {"lr": 1e-3, "eps": 1e-8}
    assert (args.max_epoch, args.grad_clip) == (10, 0.5) and type(args.max_epoch) is int


@pytest.mark.parametrize(
    "given",
    [
        "a=!!python/object/apply:os.system ['touch here']",
        "!!python/object/apply:os.system ['touch here']",
        "__import__('os').system('touch here')",
        "a=[",
        "just words",
    ],
)
def test_nothing_in_an_option_is_run(parser, given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^--conf"):
        parser.parse_args(["--conf", given])
    assert not list(tmp_path.iterdir())


def test_a_bad_configuration_file_is_one_line(parser, tmp_path):
    config = tmp_path / "c.yaml"
    for text, said in [("a: [\n", r"c.yaml:\d"), ("nothing: 1\n", "unknown key 'nothing'")]:
        config.write_text(text)
        with pytest.raises(UserError, match=said):
            parser.parse_args(["--config", str(config)])
    with pytest.raises(UserError, match=r"none.yaml"):
        parser.parse_args(["--config", "none.yaml"])


def test_every_task_reads_so():
    args = DurationTask.get_parser().parse_args(["--optim_conf", "lr=1e-3"])
    assert args.optim_conf == {"lr": 1e-3}


@pytest.mark.slow
def test_espnets_own_command_lines_read_so(tmp_path):
    command = [sys.executable, "-m", "espnet2_ext.bin.espnet", "espnet2.bin.svs_train"]
    options = ["--optim_conf", "lr=!!python/object/apply:os.system ['touch here']"]
    done = subprocess.run(
        [*command, *options], cwd=tmp_path, capture_output=True, text=True, env=os.environ
    )
    assert done.returncode == 2 and "\nerror: --optim_conf lr=" in f"\n{done.stderr}"
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "here").exists()
