"""Start a training's agents on several nodes: by ssh, by srun, or by the user on every node."""

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_text
from espnet2_ext.train.launch import Meeting

GRACE_SEC = 10.0  # for the other nodes to end by themselves when one has failed
PORTS = range(20000, 32000)  # below those that systems hand out
# What a process started by ssh is given of this one's environment; no secret, for all see it.
CARRIED = re.compile(
    r"PATH|PYTHON.*|VIRTUAL_ENV|CONDA_PREFIX|LD_LIBRARY_PATH|LC_ALL"
    r"|(OMP|MKL|NCCL|GLOO|TORCH|DS)_.*|HF_(HOME|ENDPOINT|HUB_.*)"
)


@dataclass(frozen=True)
class Node:
    """A machine, as ssh names it, and how many processes it runs."""

    host: str
    processes: int

    @property
    def address(self) -> str:
        """Its name on the network."""
        return self.host.rpartition("@")[2]


def read_hostfile(path: str | Path) -> list[Node]:
    """Read DeepSpeed's hostfile: lines of ``host slots=N``.

    Raises:
        UserError: a line that is none, a host that stands twice, or no host at all.
    """
    nodes: list[Node] = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        line = line.partition("#")[0].strip()
        if not line:
            continue
        match = re.fullmatch(r"(\w[\w.@-]*)\s+slots=([1-9]\d{0,5})", line)
        if not match:
            raise UserError(f"{path}:{number}", repr(line), "HOST slots=N")
        if match[1] in [node.host for node in nodes]:
            raise UserError(f"{path}:{number}", f"{match[1]} again", "each host once")
        nodes.append(Node(match[1], int(match[2])))
    if not nodes:
        raise UserError(path, "no host", "lines of HOST slots=N")
    return nodes


def meet_at(host: str, num_nodes: int, wait_sec: int, training: Sequence[str]) -> Meeting:
    """A meeting that every node finds from the same command; trainings side by side differ in it.

    Args:
        host: Name of the first node.
        num_nodes: How many nodes there are.
        wait_sec: How long to wait for the others.
        training: Module and arguments.
    """
    run_id = zlib.crc32("\0".join([os.getcwd(), *training]).encode())
    port = os.environ.get("MASTER_PORT") or PORTS[run_id % len(PORTS)]
    return Meeting(f"{host}:{port}", str(run_id), num_nodes, wait_sec)


def agent_command(meeting: Meeting, ngpu: int, training: Sequence[str], *own: str) -> list[str]:
    """Command of one node's agent; `own`: options that differ between the nodes."""
    options = {
        "--agent": meeting.endpoint,
        "--run_id": meeting.run_id,
        "--num_nodes": meeting.num_nodes,
        "--wait_sec": meeting.wait_sec,
        "--ngpu": ngpu,
    }
    words = [str(word) for option in options.items() for word in option]
    return [sys.executable, "-m", "espnet2_ext.bin.launch", *words, *own, *training]


def ssh_command(host: str, command: Sequence[str]) -> list[str]:
    """Run `command` on `host` in this directory, with what it needs of this environment.

    ssh gives its words to a shell on the other side, so each is quoted.
    """
    carried = [f"{k}={v}" for k, v in sorted(os.environ.items()) if CARRIED.fullmatch(k)]
    line = f"cd {shlex.quote(os.getcwd())} && exec {shlex.join(['env', *carried, *command])}"
    return ["ssh", "-o", "BatchMode=yes", host, line]


def run_by_ssh(nodes: Sequence[Node], meeting: Meeting, ngpu: int, training: Sequence[str]) -> int:
    """Run an agent on every node; when one fails, end the others; return the first's status."""
    running = {}
    for node in nodes:
        own = ("--processes", str(node.processes), "--local_addr", node.address, "--end_with_stdin")
        command = ssh_command(node.host, agent_command(meeting, ngpu, training, *own))
        # An agent lives as long as this pipe: closing it reaches through ssh, a signal does not.
        running[node.host] = subprocess.Popen(command, stdin=subprocess.PIPE)
    failed, deadline = 0, float("inf")
    while running:
        time.sleep(0.1)
        for host, process in list(running.items()):
            status = process.poll()
            if status is None:
                if time.monotonic() > deadline and not process.stdin.closed:
                    process.stdin.close()
                continue
            del running[host]
            if status and not failed:
                failed, deadline = status, time.monotonic() + GRACE_SEC
                print(f"launch: {host} failed with status {status}", file=sys.stderr, flush=True)
    return failed if failed >= 0 else 128 - failed


def first_node_of_slurm(num_nodes: int) -> str:
    """Address of the first node of this Slurm job; raises `UserError` if the job has too few."""
    names = os.environ.get("SLURM_JOB_NODELIST", "")
    has = int(os.environ.get("SLURM_JOB_NUM_NODES", "1"))
    if has < num_nodes:
        raise UserError("Slurm job", f"{has} nodes", f"{num_nodes}", "--num_nodes")
    # A node's name need not be one of the network.
    first = _scontrol("hostnames", names).split()
    address = re.search(r"\bNodeAddr=(\S+)", _scontrol("node", *first[:1]))
    if not address:
        raise UserError("Slurm job", f"scontrol knows no address of {names!r}", "a node's")
    return address[1]


def _scontrol(*what: str) -> str:
    command = ["scontrol", "show", *what]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def srun_command(num_nodes: int, agent: Sequence[str]) -> list[str]:
    """Run `agent` on every node of this Slurm job; when one fails, Slurm ends the others."""
    command = ["srun", f"--nodes={num_nodes}", f"--ntasks={num_nodes}", "--ntasks-per-node=1",
               "--kill-on-bad-exit=1", "--input=none"]  # fmt: skip
    # srun does not take this over from sbatch.
    if cpus := os.environ.get("SLURM_CPUS_PER_TASK"):
        command.append(f"--cpus-per-task={cpus}")
    return [*command, *agent]


def end_with_stdin() -> None:
    """Have this process told to end (TERM) when its input closes."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()
