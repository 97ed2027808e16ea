"""Processes of a training: what they are given, how they meet, and what is said when one dies."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.train.launch import training_command
from espnet2_ext.train.nodes import Node, meet_at, read_hostfile, srun_command, ssh_command

from .conftest import REPO

pytestmark = pytest.mark.slow

# A training without its weight: who am I, and what becomes of me.
MODULE = """
import glob, os, signal, sys, time
rank, world = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")
print("rank", rank, "of", world, *sys.argv[1:], flush=True)
open(f"said.{rank}", "w").close()
if sys.argv[1] == "kill" and rank == "1":
    while len(glob.glob("said.*")) < int(world):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[1] == "mistake":
    print("error: conf.yaml: bad", flush=True)
    sys.exit(2)
if sys.argv[1] == "kill":
    time.sleep(300)
"""
SSH = """#!/usr/bin/env bash
# ssh, without another machine: ssh -o OPTION HOST LINE
echo "ssh to $3" >&2
exec bash -c "$4"
"""


@pytest.fixture
def place(tmp_path) -> Path:
    (tmp_path / "training.py").write_text(MODULE)
    (tmp_path / "ssh").write_text(SSH)
    (tmp_path / "ssh").chmod(0o755)
    return tmp_path


def start(place: Path, *arguments: object, **env: str) -> subprocess.Popen:
    env = {"PATH": f"{place}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1", **env}
    env |= {"PYTHONPATH": f"{REPO}:{place}", "HOME": str(place)}
    return subprocess.Popen(
        [sys.executable, "-m", "espnet2_ext.bin.launch", *map(str, arguments)],
        cwd=place, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def said(errors: str) -> list[str]:
    return [line for line in errors.splitlines() if line.startswith("launch: ")]


def test_each_process_takes_one_gpu_and_knows_its_backend():
    module = ["m", "--x", "1"]
    assert training_command(module, 0, False)[1:] == ["-m", *module, "--ngpu", "0"]
    many = training_command(module, 4, True)
    assert many[-6:] == ["--ngpu", "1", "--multiprocessing_distributed", "false",
                         "--dist_backend", "nccl"]  # fmt: skip
    assert training_command(module, 0, True)[-1] == "gloo"


def test_a_hostfile_is_deepspeeds(tmp_path):
    path = tmp_path / "hosts"
    path.write_text("# ours\nnode1 slots=4\nme@node2.example slots=8\n\n")
    nodes = read_hostfile(path)
    assert nodes == [Node("node1", 4), Node("me@node2.example", 8)]
    assert nodes[1].address == "node2.example"
    for text, found in [
        ("node1\n", ":1: 'node1'"),
        ("a slots=1\na slots=2\n", ":2: a again"),
        ("-oProxyCommand=x slots=1\n", ":1: "),
        ("a slots=0\n", ":1: "),
        ("# none\n", "no host"),
    ]:
        path.write_text(text)
        with pytest.raises(UserError, match=found):
            read_hostfile(path)


def test_nodes_are_reached_with_every_word_quoted(monkeypatch):
    monkeypatch.setenv("NCCL_DEBUG", "$(x)")
    monkeypatch.setenv("HF_TOKEN", "secret")
    line = ssh_command("n", ["python", "a b; c"])[-1]
    assert "'NCCL_DEBUG=$(x)'" in line and "'a b; c'" in line and "secret" not in line
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "3")
    assert "--cpus-per-task=3" in srun_command(2, ["x"])


def test_trainings_side_by_side_do_not_meet(monkeypatch):
    monkeypatch.delenv("MASTER_PORT", raising=False)
    one, other = (meet_at("n", 2, 9, ["m", name]) for name in ("flow", "vocoder"))
    assert one.endpoint != other.endpoint and one.run_id != other.run_id
    assert one == meet_at("n", 2, 9, ["m", "flow"])
    monkeypatch.setenv("MASTER_PORT", "77")
    assert meet_at("n", 2, 9, ["m"]).endpoint == "n:77"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "no module to run"),
        (["--num_nodes", 2, "m"], "2 nodes and nothing that starts them"),
        (["--ngpu", 2, "--processes", 3, "m"], "--processes"),
        (["--hostfile", "none", "m"], "none: No such file"),
    ],
)
def test_a_wrong_call_is_one_line(place, arguments, named):
    output, errors = (process := start(place, *arguments)).communicate()
    assert process.returncode == 2 and not output
    assert len(errors.splitlines()) == 1 and named in errors


def test_one_process_is_run_as_it_is(place):
    output, errors = (process := start(place, "training", "mistake")).communicate()
    assert process.returncode == 2 and not errors
    assert output == "rank 0 of 1 mistake --ngpu 0\nerror: conf.yaml: bad\n"


def test_a_killed_process_is_named_and_ends_the_others(place):
    begun = time.monotonic()
    output, errors = (process := start(place, "--processes", 3, "training", "kill")).communicate(
        timeout=120
    )
    assert process.returncode == 128 + signal.SIGKILL
    assert len(output.splitlines()) == 3 and time.monotonic() - begun < 60
    (line,) = said(errors)
    assert "rank 1 (process " in line and "was killed by SIGKILL; the same command goes on" in line


def test_nodes_by_ssh_end_together(place):
    (place / "hosts").write_text("127.0.0.1 slots=1\nlocalhost slots=1\n")
    hosts = ("--hostfile", "hosts", "training")
    output, errors = (process := start(place, *hosts, "kill")).communicate(timeout=120)
    assert process.returncode != 0
    assert "ssh to 127.0.0.1\n" in errors and "ssh to localhost\n" in errors
    assert "rank 0 of 2 kill" in output and "rank 1 of 2 kill" in output
    assert any("was killed by SIGKILL" in line for line in said(errors))
