"""Steps of a recipe: one writer each, inputs that are there, data that is read, copied folders."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

UTILS = Path(__file__).resolve().parents[2] / "egs2/TEMPLATE/speechlm1/utils"
# A recipe of one step, which waits in it until the file `go` appears.
SCRIPT = """
set -euo pipefail
fail() { echo "script: error: $*" >&2; exit 2; }
log() { echo "$*"; }
called_with=("$@")
run_module=("${PYTHON}" -m)
nj=1
. utils/steps.sh
share_data data dump
in_place data dump
this_stage=$1
made=$3
if [ -n "${INPUT:-}" ]; then made=$(digest "$(made_of "${INPUT}")" "${made}"); fi
if "${TODO:-todo}" "$2" "${made}" --tag; then
  echo "writes $2"
  utils/run.py "$2/log" bash -c 'while [ ! -e go ]; do sleep .05; done'
  mark "$2" "${made}"
fi
[ "$#" -eq 3 ] || utils/run.py reading.log bash -c 'while [ ! -e go ]; do sleep .05; done'
echo done
"""


@pytest.fixture
def recipe(tmp_path) -> Path:
    (tmp_path / "utils").symlink_to(UTILS)
    (tmp_path / "script.sh").write_text(SCRIPT)
    return tmp_path


def start(recipe: Path, *arguments: str, **environment: str) -> subprocess.Popen:
    """Run the script: STAGE DIR DIGEST, and a word more to go on running for a while.

    In the environment: INPUT, a folder that the step reads, and TODO, todo or todo_training.
    """
    return subprocess.Popen(
        ["bash", "script.sh", *arguments],
        cwd=recipe,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHON": sys.executable, **environment},
    )


def refused(recipe: Path, *arguments: str, **environment: str) -> str:
    output, _ = (process := start(recipe, *arguments, **environment)).communicate(timeout=60)
    assert process.returncode == 2 and len(output.splitlines()) == 1, output
    return output


def done(process: subprocess.Popen) -> str:
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and output.splitlines()[-1] == "done", output
    return output


def wait_for(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_step_has_one_writer(recipe):
    first = start(recipe, "8", "exp/a b", "made of x")
    wait_for((recipe / "exp/a b/log").exists)
    said = refused(recipe, "8", "exp/a b", "made of x")
    assert f"error: exp/a b: in use by process {first.pid} on " in said
    assert "script.sh 8 exp/a b made of x" in said
    other = start(recipe, "8", "exp/c", "made of x")  # another tag
    wait_for((recipe / "exp/c/log").exists)
    (recipe / "go").touch()
    assert "writes" in done(first) and "writes" in done(other)
    assert "writes" not in done(start(recipe, "8", "exp/a b", "made of x"))
    assert sorted(p.name for p in (recipe / "exp").iterdir()) == ["a b", "c"]  # no lock is left


def test_a_folder_that_cannot_be_made_is_one_line(recipe):
    (recipe / "data").touch()
    said = refused(recipe, "8", "exp/a", "made of x")
    assert said.startswith("script: error: data: cannot be made: name another folder (--datadir")


def test_a_killed_run_is_waited_for_and_taken_over(recipe):
    first = start(recipe, "8", "exp/a", "made of x")
    wait_for((recipe / "exp/a/log").exists)
    os.kill(first.pid, signal.SIGKILL)
    second = start(recipe, "8", "exp/a", "made of x")
    first.wait()
    wait_for(lambda: str(second.pid) in (recipe / "exp/.a.step.lock").read_text())
    (recipe / "go").touch()
    assert "writes exp/a" in done(second)


def test_data_that_others_read_are_not_made_anew(recipe):
    (recipe / "go").touch()
    done(start(recipe, "5", "dump/tokens", "made of x"))
    (recipe / "go").unlink()
    reader = start(recipe, "8", "dump/tokens", "made of x", "and train")
    wait_for((recipe / "reading.log").exists)
    said = refused(recipe, "5", "dump/tokens", "made of y")
    assert f"in use by process {reader.pid} on " in said
    assert (recipe / "dump/tokens/.done").read_text() == "made of x\n"
    more = start(recipe, "5", "dump/another_set", "made of y")  # takes nothing from anybody
    wait_for((recipe / "dump/another_set/log").exists)
    (recipe / "go").touch()
    done(reader)
    done(more)
    assert "writes dump/tokens" in done(start(recipe, "5", "dump/tokens", "made of y"))


def test_the_tables_of_a_copied_folder_name_what_is_in_it(recipe, tmp_path):
    (recipe / "go").touch()
    done(start(recipe, "5", "dump/tokens", "made of x"))
    (recipe / "dump/tokens/a.ark").touch()
    (recipe / "dump/tokens/a.scp").write_text(f"a {recipe}/dump/tokens/a.ark:2\n")
    here = tmp_path / "a copy"
    here.mkdir()
    for name in ("data", "dump"):
        shutil.copytree(recipe / name, here / name)
    for name in ("utils", "script.sh", "go"):
        (here / name).symlink_to(recipe / name)
    output = done(start(here, "5", "dump/tokens", "made of x"))
    assert f"copied or moved: data (was {recipe}/data) dump (was {recipe}/dump)" in output
    assert (here / "dump/tokens/a.scp").read_text() == f"a {here}/dump/tokens/a.ark:2\n"
    assert done(start(here, "5", "dump/tokens", "made of x")) == "done\n"


def test_an_input_that_is_not_there_is_named_and_nothing_is_made(recipe):
    said = refused(recipe, "9", "exp/lm/decode", "made of x", INPUT="exp/lm")
    assert "script: error: exp/lm: no such folder, and read for exp/lm/decode: run the" in said
    assert not (recipe / "exp").exists()
    (recipe / "go").touch()
    (recipe / "exp/lm").mkdir(parents=True)  # a model from elsewhere
    done(start(recipe, "9", "exp/lm/decode", "made of x", INPUT="exp/lm"))


@pytest.mark.parametrize("todo", ["todo", "todo_training"])
def test_what_was_killed_on_the_way_is_not_read_but_for_a_training(recipe, todo):
    first = start(recipe, "8", "exp/lm", "made of x", TODO=todo)
    wait_for((recipe / "exp/lm/log").exists)
    first.kill()
    first.communicate()
    (recipe / "go").touch()
    if todo == "todo":
        said = refused(recipe, "9", "exp/decode", "made of x", INPUT="exp/lm")
        assert "exp/lm: not finished, and read for exp/decode" in said
        done(start(recipe, "8", "exp/lm", "made of x"))
    done(start(recipe, "9", "exp/decode", "made of x", INPUT="exp/lm"))


def test_other_options_make_a_step_anew_but_never_go_on_with_a_training(recipe):
    (recipe / "go").touch()
    for _ in range(2):
        done(start(recipe, "9", "exp/decode", "made of x"))
    assert "writes" in done(start(recipe, "9", "exp/decode", "made of y"))
    done(start(recipe, "8", "exp/lm", "made of x", TODO="todo_training"))
    said = refused(recipe, "8", "exp/lm", "made of y", TODO="todo_training")
    assert "exp/lm was trained with other data or options: remove it, or name another with" in said
    assert (recipe / "exp/lm/.done").read_text() == "made of x\n"
