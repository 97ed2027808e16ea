"""One writer of a folder at a time: who is refused, what is said, and when a lock is free again."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from espnet2_ext import lock
from espnet2_ext.corpora.mini_singing import CorpusConfig, make_corpus
from espnet2_ext.errors import UserError, cli
from espnet2_ext.lock import hold, hold_shard, hold_to_the_end, hold_training
from espnet2_ext.workers import worker_pool

HOLD = """
import sys, time
from espnet2_ext.lock import hold, hold_shard
with {call}:
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def another(call: str) -> Iterator[subprocess.Popen]:
    """Another process that holds a lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD.format(call=call), "--of", "theirs"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.communicate(timeout=30)


def test_a_second_writer_is_told_who_the_first_is(tmp_path):
    with another(f"hold({str(tmp_path)!r})") as process:
        with pytest.raises(UserError) as caught, hold(tmp_path):
            raise AssertionError
        said = str(caught.value)
        assert said.startswith(f"{tmp_path}: in use by process {process.pid} on ")
        assert " since 2" in said and "-c --of theirs (expected one writer at a time)" in said
        with hold(tmp_path, ".other.lock"):
            pass
    with hold(tmp_path), hold(tmp_path):
        assert (tmp_path / ".lock").read_text().startswith(f"{os.getpid()}\t")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_lock_goes_with_its_holder(tmp_path, how):
    with another(f"hold({str(tmp_path)!r})") as process:
        process.send_signal(how)
        process.wait()
        assert (tmp_path / ".lock").read_text()
        with hold(tmp_path):
            assert (tmp_path / ".lock").read_text().startswith(f"{os.getpid()}\t")


def test_a_lock_stays_while_what_a_killed_holder_started_runs(tmp_path, monkeypatch):
    """Nobody is refused for what a killed run leaves for some seconds; nor let in before."""
    script = (
        "exec 9<> .lock; python -m espnet2_ext.lock 9 .lock '' $$ the script; "
        "(echo held; sleep 1.5; rm -f runs) & wait"
    )
    (tmp_path / "runs").touch()
    shell = subprocess.Popen(["bash", "-c", script], cwd=tmp_path, stdout=subprocess.PIPE,
                             start_new_session=True)  # fmt: skip
    assert shell.stdout.readline() == b"held\n"
    shell.kill()
    shell.wait()
    with monkeypatch.context() as patch:
        patch.setattr(lock, "DEAD_SEC", 0.0)
        with pytest.raises(UserError, match="was killed, but what it started still runs"):
            hold(tmp_path).__enter__()
    with hold(tmp_path):
        assert not (tmp_path / "runs").exists()


def test_jobs_of_one_run_share_a_folder_and_those_of_another_may_not(tmp_path):
    with another(f"hold_shard({str(tmp_path)!r}, 1, 2, 'model A')"):
        with hold_shard(tmp_path, 2, 2, "model A"):
            assert len((tmp_path / ".lock").read_text().splitlines()) == 2
        for shard, num_shards, work in [(2, 2, "model B"), (2, 3, "model A"), (1, 2, "model A")]:
            with pytest.raises(UserError, match="in use by process"):
                hold_shard(tmp_path, shard, num_shards, work).__enter__()
        with pytest.raises(UserError, match="in use by process"):
            hold(tmp_path).__enter__()
    with hold_shard(tmp_path, 1, 1, "model B"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_command_line_holds_to_its_end(tmp_path):
    @cli
    def main():
        hold_to_the_end(tmp_path)
        assert (tmp_path / ".lock").exists()
        raise UserError("here", "a mistake")

    for _ in range(2):
        with pytest.raises(SystemExit) as caught:
            main()
        assert caught.value.code == 2 and not list(tmp_path.iterdir())


def test_of_a_trainings_processes_the_first_holds(tmp_path, monkeypatch):
    with another(f"hold({str(tmp_path)!r})"):
        with pytest.raises(UserError, match="in use"):
            hold_training(tmp_path).__enter__()
        monkeypatch.setenv("RANK", "1")
        with hold_training(tmp_path):
            pass


def test_where_nothing_can_be_written_one_line_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/exp: Not a directory \(expected a folder to write"):
        hold(tmp_path / "file/exp").__enter__()


def test_a_second_run_deletes_nothing_of_a_corpus_in_the_making(tmp_path):
    config = CorpusConfig(minutes=0.5, singers=2, speech_minutes=0.0)
    (tmp_path / "segments").mkdir()
    live = tmp_path / "segments/.part-live.wav"
    live.touch()
    wanted = {"version": 3, **config.recorded(), "origin": "synthetic"}
    (tmp_path / "corpus.json").write_text(__import__("json").dumps(wanted))
    with another(f"hold({str(tmp_path)!r})"):
        with pytest.raises(UserError, match="in use by process"):
            make_corpus(tmp_path, config)
        assert live.exists()


POOL = """
import os, sys, time
from espnet2_ext.workers import worker_pool
def work(path):
    open(path, "w").write(str(os.getpid()))
    time.sleep(60)
if __name__ == "__main__":
    with worker_pool(2, sys.argv[1]) as pool:
        list(pool.map(work, ["a", "b"]))
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_end_with_a_killed_parent(tmp_path, method):
    (tmp_path / "pool.py").write_text(POOL)
    process = subprocess.Popen([sys.executable, "pool.py", method], cwd=tmp_path)
    files = [tmp_path / "a", tmp_path / "b"]
    wait_for(lambda: all(path.exists() and path.read_text() for path in files))
    process.kill()
    process.wait()
    wait_for(lambda: not any(alive(int(path.read_text())) for path in files))


FAILS = """
import pathlib, time
from espnet2_ext.workers import worker_pool
def work(seconds):
    time.sleep(seconds)
    pathlib.Path(str(seconds)).touch()
    assert seconds
if __name__ == "__main__":
    with worker_pool(2, "spawn", max_tasks_per_child=1) as pool:
        done = [pool.submit(work, seconds) for seconds in (0, 1, 2, 3, 4)]
        done[0].result()
"""


def test_a_failed_task_ends_the_work(tmp_path):
    """It hung: workers of one task each, one of which failed while another was at work."""
    (tmp_path / "pool.py").write_text(FAILS)
    done = subprocess.run(
        [sys.executable, "pool.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and done.stderr.endswith("AssertionError\n")
    assert "NoneType" not in done.stderr
    assert not (tmp_path / "4").exists()


def test_workers_begin_as_they_are_told():
    with worker_pool(1, "fork", initializer=os.putenv, initargs=("A", "B")) as pool:
        assert list(pool.map(abs, [-1, 2])) == [1, 2]


def wait_for(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
