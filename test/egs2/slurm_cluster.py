"""A Slurm cluster on this machine, with slurm-wlm and munge as Debian packs them.

Its two nodes are two slurmd of this machine, each of all its cores.
"""

import contextlib
import getpass
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

DAEMONS = ("munged", "slurmctld", "slurmd")
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={ports[0]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
KillWait=5
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs={cpus} State=UNKNOWN
NodeName=node2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes=node[1-2] Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """Which of the daemons this machine lacks."""
    return [name for name in DAEMONS if shutil.which(name, path=PATH) is None]


def _free_ports(n: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Run the cluster while the block lasts; yields the environment in which sbatch finds it."""
    folder.chmod(0o755)
    (folder / "state").mkdir()
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    host = socket.gethostname().partition(".")[0]
    conf = folder / "slurm.conf"
    ports, cpus = _free_ports(3), len(os.sched_getaffinity(0))
    conf.write_text(
        CONF.format(host=host, user=getpass.getuser(), folder=folder, ports=ports, cpus=cpus)
    )
    env = {**os.environ, "PATH": PATH, "SLURM_CONF": str(conf)}
    munge = ["munged", "--foreground", "--force", f"--socket={folder}/munge.socket",
             f"--key-file={key}", f"--pid-file={folder}/munge.pid",
             f"--log-file={folder}/munge.log", f"--seed-file={folder}/munge.seed"]  # fmt: skip
    nodes = [["slurmd", "-D", "-N", name] for name in ("node1", "node2")]
    with contextlib.ExitStack() as stack:
        for command in (munge, ["slurmctld", "-D"], *nodes):
            stack.enter_context(_daemon(command, env, folder))
        deadline = time.monotonic() + 60
        while _sinfo(env).split() != ["idle"] * 2:
            if time.monotonic() > deadline:
                logs = "\n".join(p.read_text(errors="replace") for p in folder.glob("*.log"))
                raise RuntimeError(f"no node came up: {_sinfo(env)}\n{logs}")
            time.sleep(0.5)
        yield env


def _sinfo(env: dict[str, str]) -> str:
    return subprocess.run(
        ["sinfo", "-h", "-N", "-o", "%T"], env=env, capture_output=True, text=True, check=False
    ).stdout


@contextlib.contextmanager
def _daemon(command: list[str], env: dict[str, str], folder: Path) -> Iterator[None]:
    with (folder / f"{command[0]}.out.log").open("a") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
