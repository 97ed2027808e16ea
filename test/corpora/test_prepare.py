"""What preparers of all corpora share: their command line, and which lines are left out."""

import inspect
import subprocess
import sys

import pytest

from espnet2_ext.bin import prepare
from espnet2_ext.corpora.preparer import Rejects, preparer_parser
from espnet2_ext.corpora.registry import CORPORA, corpus_module
from espnet2_ext.errors import UserError


@pytest.mark.parametrize("name", CORPORA)
def test_a_corpus_takes_its_options_by_name(name):
    corpus = corpus_module(name)
    options = vars(preparer_parser(corpus).parse_args(["--corpus", "x"]))
    assert corpus.WHERE and options.keys() <= inspect.signature(corpus.prepare).parameters.keys()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ([], "CORPUS"),
        (["tune"], "'tune'"),
        (["opencpop"], "--corpus"),
        (["opencpop", "--corpus", "/none"], "/none"),
        (["opencpop", "--corpus", "/none", "--languages", "zh"], "--languages"),
    ],
)
def test_a_wrong_call_is_one_line(options, named, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        prepare.main(options)
    error = capsys.readouterr().err.strip().splitlines()
    assert stop.value.code == 2 and named in error[-1] and len(error) == 1


@pytest.mark.parametrize("name", ["acesinger", "gtsinger", "m4singer", "opencpop"])
def test_the_names_of_version_0_1_0_go_on_working(name):
    call = [sys.executable, "-m", f"espnet2_ext.bin.prepare_{name}", "--help"]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 0 and f"usage: prepare {name}" in done.stdout


def test_what_a_reader_did_not_foresee_costs_its_line_alone():
    """A KeyError of one file ended everything with a traceback."""
    rejects = Rejects()
    lines = [{"notes": [1]}, {}, {"notes": []}, {"notes": ["x"]}]
    taken = [
        rejects.take(lambda fields, place: fields["notes"][0] + 1, fields, f"{number}.json")
        for number, fields in enumerate(lines)
    ]
    assert taken == [2, None, None, None]
    named = [str(error) for error in rejects.errors]
    assert [line.partition(":")[0] for line in named] == ["1.json", "2.json", "3.json"]
    assert "KeyError: 'notes'" in named[0]


@pytest.mark.parametrize(
    ("bad", "lines", "max_bad", "allowed"),
    [(1, 12, 0.05, True), (2, 12, 0.05, False), (1, 12, 0.0, False), (5, 100, 0.05, True),
     (6, 100, 0.05, False)],
)  # fmt: skip
def test_one_bad_line_never_ends_it(tmp_path, bad, lines, max_bad, allowed):
    rejects = Rejects()
    for number in range(lines):
        rejects.take(lambda n: [0][1] if n < bad else n, number)
    if allowed:
        rejects.close(tmp_path, max_bad)
    else:
        with pytest.raises(UserError, match=f"{bad} of {lines} lines cannot be used"):
            rejects.close(tmp_path, max_bad)
    assert len((tmp_path / "rejected.txt").read_text().splitlines()) == bad
