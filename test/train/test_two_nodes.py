"""A training on two nodes of this machine, killed on one of them and resumed."""

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .conftest import history, train_command
from .test_launch import said, start

pytestmark = pytest.mark.slow


def two_nodes(place: Path, command: list[str]) -> list[subprocess.Popen]:
    """Two agents of this machine, as a user starts them on two."""
    command = ["--num_nodes", "2", "espnet2_ext.bin.speechlm_train", *command]
    return [start(place, *command, MASTER_ADDR="localhost") for _ in range(2)]


def finish(agents: list[subprocess.Popen], seconds: float) -> str:
    """Wait for both at once, for each may wait for the other; returns what they wrote."""
    with ThreadPoolExecutor() as pool:
        return "".join(pool.map(lambda agent: agent.communicate(timeout=seconds)[1], agents))


def worker_of(agent: subprocess.Popen) -> int:
    for children in Path(f"/proc/{agent.pid}/task").glob("*/children"):
        for pid in map(int, children.read_text().split()):
            if b"speechlm_train" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
    raise AssertionError("no training runs")


def test_two_nodes_train_die_and_resume(corpus, tmp_path):
    """One node's process is killed: both nodes end in seconds; started again, they go on."""
    epochs = 6
    command = train_command(corpus, tmp_path / "exp", max_epoch=epochs, checkpoint_interval=0)
    agents = two_nodes(tmp_path, command)
    while not list((tmp_path / "exp/resume").glob("step_*")):
        assert all(agent.poll() is None for agent in agents), agents[0].communicate()
        time.sleep(0.02)
    os.kill(worker_of(agents[1]), signal.SIGKILL)
    begun = time.monotonic()
    errors = finish(agents, 60)
    assert time.monotonic() - begun < 30
    assert all(agent.returncode for agent in agents)
    assert any("was killed by SIGKILL" in line for line in said(errors)), errors
    assert len(history(tmp_path / "exp")) < epochs

    errors = finish(agents := two_nodes(tmp_path, command), 300)
    assert [agent.returncode for agent in agents] == [0, 0], errors[-4000:]
    assert "resumed at epoch" in errors
    assert [epoch["epoch"] for epoch in history(tmp_path / "exp")] == [*range(1, epochs + 1)]
