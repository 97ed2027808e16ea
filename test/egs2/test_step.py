"""`step` of utils/steps.sh: what it skips, what it launches and how, and how it fails."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .kills import processes_in, wait_until

UTILS = Path(__file__).resolve().parents[2] / "egs2/TEMPLATE/speechlm1/utils"
PRELUDE = """
set -euo pipefail
fail() { echo "script: error: $*" >&2; exit 2; }
log() { echo "$*"; }
called_with=() python="${PYTHON}" device=cpu nj=2 this_stage=8
stage=1 stop_stage=9 branch_stages=" 8 " skip_train=false
train_cmd=utils/run.py cuda_cmd=utils/run.py decode_cmd=utils/run.py
. utils/steps.sh
use_launchers
write() { echo "writes ${step_dir}"; echo "$*" > "${step_dir}/made"; }
"""
# A module of the package's name, in place of a model's: it says what it is given, waits, and fails.
MODULE = """
import pathlib, sys, time
print("given", *sys.argv[1:])
while sys.argv[1] == "wait" and not pathlib.Path("go").exists():
    time.sleep(0.05)
sys.exit(3 if sys.argv[1] == "fail" else 0)
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "utils").symlink_to(UTILS)
    for name in ("input", "espnet2_ext/bin"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "input/.done").write_text("made of a\n")
    (tmp_path / "file").write_text("content\n")
    (tmp_path / "espnet2_ext/bin/model.py").write_text(MODULE)
    for name in ("lock.py", "errors.py", "pickles.py"):
        (tmp_path / "espnet2_ext" / name).symlink_to(UTILS.parents[3] / "espnet2_ext" / name)
    return tmp_path


def start(folder: Path, script: str) -> subprocess.Popen:
    (folder / "script.sh").write_text(PRELUDE + script)
    return subprocess.Popen(
        ["bash", "script.sh"], cwd=folder, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(folder)},
    )  # fmt: skip


def run(folder: Path, script: str) -> tuple[int, list[str]]:
    output, _ = (process := start(folder, script)).communicate(timeout=60)
    return process.returncode, output.splitlines()


STEP = "step 8 exp/out --from input --files file --with 'a word' '' -- write 'its command'\n"


def test_it_is_made_once_from_the_same_inputs(folder):
    assert run(folder, STEP) == (0, ["writes exp/out"])
    assert (folder / "exp/out/made").read_text() == "its command\n"
    assert not (folder / "exp/out/.begun").exists()
    assert run(folder, STEP) == (0, [])
    for change in (
        lambda: (folder / "input/.done").write_text("made of b\n"),
        lambda: (folder / "file").write_text("more content\n"),
        lambda: (folder / "exp/out/made").unlink() or (folder / "exp/out/.done").unlink(),
    ):
        change()
        assert run(folder, STEP) == (0, ["writes exp/out"])
        assert run(folder, STEP) == (0, [])
    assert run(folder, STEP.replace("a word", "another")) == (0, ["writes exp/out"])


def test_its_digest_is_that_of_the_releases_before(folder):
    """Models that were trained then are not trained again."""
    both = (
        'digest 10 "$(made_of input input)" "$(contents file file)" "" "a b"\n'
        'digest_of 10 --from input input --files file file --with "" "a b" --\n'
    )
    status, (was, now) = run(folder, both)
    assert status == 0 and was == now and len(now) == 16


def test_what_is_not_there_is_named_and_nothing_is_made(folder):
    for argument, message in (
        ("--from no_folder", "no_folder: no such folder"),
        ("--files no_file", "no_file: no such file"),
    ):
        status, lines = run(folder, f"step 8 exp/out {argument} -- write")
        assert status == 2 and len(lines) == 1
        assert lines[0].startswith(f"script: error: {message}, and read for exp/out: run the stage")
    assert not (folder / "exp").exists()


def test_a_stage_says_what_it_did(folder):
    stage = f"if begin 8 title in out; then {STEP} end; fi\nif begin 7 no no no; then exit 1; fi\n"
    said = run(folder, stage)[1][-1]
    took = r"stage 8: done \(\d+ s since the start; the stage took \d+ s of CPU time\)"
    assert re.fullmatch(took, said)
    assert run(folder, stage)[1][-1] == "stage 8: done before, nothing to do"


def test_what_a_killed_step_was_writing_goes(folder):
    """The tables that a killed job was joining stayed beside the finished ones."""
    (folder / "exp/mel").mkdir(parents=True)
    (folder / "exp/mel/.part-x.scp").touch()
    assert run(folder, "step 8 exp/mel -- on infer model ok\n")[0] == 0
    assert not list((folder / "exp/mel").glob(".part-*"))


def test_it_launches_a_module_and_keeps_its_log(folder):
    call = "step --tell given 8 'exp/an out' -- on train --num_threads 2 model ok 'two words'\n"
    assert run(folder, call) == (0, ["stage 8: given ok two words"])
    assert "given ok two words" in (folder / "exp/an out/logs/model.log").read_text()
    call = "step 8 exp/shards -- on infer --jobs 2 model ok\n"
    assert run(folder, call)[0] == 0
    log = (folder / "exp/shards/logs/model.2.log").read_text()
    assert "given ok --shard 2 --num_shards 2" in log


def test_a_training_goes_on_with_what_it_began_with(folder):
    call = "step --training --tag 8 exp/lm --with '{}' -- on cuda model {}\n"
    assert run(folder, call.format("x", "fail"))[0] == 3
    assert (folder / "exp/lm/.made_from").is_file() and not (folder / "exp/lm/.begun").exists()
    (folder / "exp/lm/.part-x.pth").touch()  # it was killed in writing
    status, lines = run(folder, call.format("y", "ok"))
    assert status == 2 and "exp/lm was trained with other data or options" in lines[-1]
    assert lines[-1].endswith("name another with --tag")
    assert run(folder, call.format("x", "ok"))[0] == 0
    logs = sorted((folder / "exp/lm").glob("train*.log"))
    assert not list((folder / "exp/lm").glob(".part-*"))
    assert len(logs) == 2 and "given fail" in logs[0].read_text()


def test_side_by_side_the_one_that_fails_ends_the_script(folder):
    call = "".join(
        f"step --beside 8 exp/{name} -- on train model {what}\n"
        for name, what in (("a", "ok"), ("b", "fail"), ("c", "ok"))
    )
    status, _ = run(folder, f"{call}drain\necho not here\n")
    assert status == 3
    assert (folder / "exp/a/.done").is_file() and (folder / "exp/b/.begun").is_file()
    assert not (folder / "exp/b/.done").exists()
    (folder / "espnet2_ext/bin/model.py").write_text("")
    assert run(folder, f"{call}drain\n") == (0, [])
    assert (folder / "exp/b/.done").is_file() and (folder / "exp/c/.done").is_file()


def test_killed_it_takes_what_runs_side_by_side_with_it(folder):
    call = "".join(f"step --beside 8 exp/{name} -- on train model wait\n" for name in "ab")
    process = start(folder, f"{call}drain\n")
    logs = [folder / f"exp/{name}/logs/model.log" for name in "ab"]
    wait_until(lambda: all(p.is_file() and "given" in p.read_text() for p in logs), process)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 30
    while processes_in(folder):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (folder / "go").touch()
    assert run(folder, f"{call}drain\n")[0] == 0
