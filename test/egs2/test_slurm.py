"""slurm.py and the training launcher on a real Slurm of two nodes, where there is one to start."""

import subprocess
import sys
from pathlib import Path

import pytest

from . import slurm_cluster
from .test_launchers import ROOT, SLURM

pytestmark = pytest.mark.skipif(bool(slurm_cluster.missing()), reason="no Slurm on this machine")
TRAINING = """
import os, signal, sys, time
print("rank", os.environ["RANK"], "of", os.environ["WORLD_SIZE"], flush=True)
if sys.argv[1] == "kill":
    if os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(300)
"""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """Submit a command and return what slurm.py ended with and printed, and the log."""
    place = tmp_path_factory.mktemp("place")
    (place / "training.py").write_text(TRAINING)
    with slurm_cluster.cluster(tmp_path_factory.mktemp("cluster")) as env:
        env["PYTHONPATH"] = f"{ROOT}:{place}"

        def submit(*arguments: object, log: str = "a.log") -> tuple[int, str, str]:
            done = subprocess.run(
                [sys.executable, str(SLURM), *map(str, arguments)],
                cwd=place, env=env, capture_output=True, text=True, timeout=300, check=False,
            )  # fmt: skip
            return done.returncode, done.stderr, (Path(place) / log).read_text()

        yield submit


def test_a_job_array_with_the_status_of_what_fails(slurm):
    status, errors, log = slurm("JOB=1:2", "JOB.log", "echo", "hello JOB", log="2.log")
    assert (status, errors) == (0, "") and "hello 2\n" in log
    status, errors, _ = slurm("--num_threads", 1, "a.log", "bash", "-c", "echo this; exit 7")
    assert status == 7 and "this\n" in errors


def test_a_training_on_two_nodes_and_a_killed_process(slurm):
    training = ("--num_nodes", 2, "training")
    launch = (sys.executable, "-m", "espnet2_ext.bin.launch")
    status, errors, log = slurm("--num_nodes", 2, "a.log", *launch, *training, "end")
    assert status == 0, errors + log
    assert "rank 0 of 2\n" in log and "rank 1 of 2\n" in log
    status, errors, log = slurm("--num_nodes", 2, "a.log", *launch, *training, "kill")
    assert status != 0
    assert "was killed by SIGKILL; the same command goes on from the last checkpoint" in errors
