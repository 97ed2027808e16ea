"""Families of command lines, and the names that their commands had before."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from espnet2_ext import bin as command_lines
from espnet2_ext.bin.family import Family
from espnet2_ext.bin.former import FORMER

ROOT = Path(command_lines.__file__).parent
FAMILIES = sorted(path.parent.name for path in ROOT.glob("*/__main__.py"))
COMMANDS = [
    (name, command)
    for name in FAMILIES
    for command in Family(import_module(f"espnet2_ext.bin.{name}").__name__).commands
]


def run(main, *argv: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(argv))
    return end.value.code


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_lists_its_commands(name, capsys):
    module = import_module(f"espnet2_ext.bin.{name}")
    assert run(module.main, "--help") == 0
    shown = capsys.readouterr().out
    for command, what in Family(module.__name__).commands.items():
        assert f"  {command:14s} {what}" in shown and what.endswith((".", ":")), command
    assert run(module.main, "nonsense") == 2
    error = capsys.readouterr().err.strip()
    assert error.count("\n") == 0 and "nonsense" in error


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_a_command_says_what_it_does_and_takes(name, command, capsys):
    module = import_module(f"espnet2_ext.bin.{name}.{command}")
    if hasattr(module, "call"):  # ESPnet's own options: slow to list
        assert module.__doc__
        return
    assert run(import_module(f"espnet2_ext.bin.{name}").main, command, "--help") == 0
    assert "usage: " in capsys.readouterr().out


@pytest.mark.parametrize(("name", "command"), COMMANDS)
def test_every_option_is_explained_and_shows_its_default(name, command):
    module = import_module(f"espnet2_ext.bin.{name}.{command}")
    if hasattr(module, "call"):
        return
    parser = Family(f"espnet2_ext.bin.{name}").parser_of(command)
    assert [action.dest for action in parser._actions if not action.help] == []
    shown = " ".join(parser.format_help().split())
    for action in parser._actions:
        if isinstance(action.default, float):
            assert f"(default: {action.default})" in shown or "default" in action.help


@pytest.mark.parametrize("former", FORMER)
def test_a_former_name_leads_to_its_command(former):
    family, *command = FORMER[former].split()
    module = import_module(f"espnet2_ext.bin.{former}")
    assert callable(module.main)
    if family in FAMILIES and command:
        assert (family, *command) in COMMANDS


def test_a_former_name_runs_as_a_module():
    command = [sys.executable, "-m", "espnet2_ext.bin.unpack", "no.zip", "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT.parents[1], check=False)
    assert done.returncode == 2 and "no.zip" in done.stderr.strip().splitlines()[-1]


def test_the_way_to_espnets_commands_says_how_it_is_called(monkeypatch, capsys):
    from espnet2_ext.bin import espnet

    monkeypatch.setattr(sys, "argv", ["espnet", "--help"])
    with pytest.raises(SystemExit) as end:
        espnet.main()
    assert end.value.code == 0
    assert "usage: python -m espnet2_ext.bin.espnet MODULE" in capsys.readouterr().out


def test_options_alone_are_the_report_that_they_were(capsys):
    from espnet2_ext.bin import report

    assert run(report.main, "--max_utts", "3") == 2
    assert "--results" in capsys.readouterr().err


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_imported_without_being_run(name):
    """As the installation's check imports every module."""
    import_module(f"espnet2_ext.bin.{name}.__main__")
