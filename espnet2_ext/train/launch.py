"""Start the processes of a training on this machine, and say which one ended it.

Each machine runs PyTorch's elastic agent, without restarts; the agents of several machines meet at
the first of them (espnet2_ext.train.nodes starts them).
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from espnet2_ext.errors import USER_ERROR_STATUS

TOLD_SEC = 0.5  # for the other nodes to read what failed here
RESUME = "the same command goes on from the last checkpoint"


@dataclass(frozen=True)
class Meeting:
    """Where the agents of several nodes find each other.

    Args:
        endpoint: ``host:port`` of the first node.
        run_id: The same for all agents of one start.
        num_nodes: How many agents there are.
        wait_sec: How long each waits for the others.
    """

    endpoint: str
    run_id: str
    num_nodes: int
    wait_sec: int = 600


def training_command(module: Sequence[str], ngpu: int, distributed: bool) -> list[str]:
    """The command of one process of an ESPnet training.

    Args:
        module: Module and its arguments.
        ngpu: GPUs of each node, of which each process takes one; 0: the CPU.
        distributed: Whether there is more than one process.
    """
    command = [sys.executable, "-m", *module, "--ngpu", str(min(ngpu, 1))]
    if distributed:
        backend = "nccl" if ngpu else "gloo"
        command += ["--multiprocessing_distributed", "false", "--dist_backend", backend]
    return command


class NodeLostError(Exception):
    """A process of another node failed, or the first node is gone."""


def run_agent(
    command: Sequence[str], processes: int, meeting: Meeting | None, local_addr: str | None = None
) -> int:
    """Run this node's processes to their end.

    Args:
        command: Of each process.
        processes: How many run here.
        meeting: With the agents of the other nodes; None when there is no other.
        local_addr: Name by which the other nodes reach this one; None: its own full name.

    Returns:
        0; 2 for a user's mistake, which the processes have printed; else the status of the process
        that failed first (128 + N for signal N), after a line that names it; 1 on a node that lost
        another.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous.api import RendezvousError
    from torch.distributed.launcher import api

    # Alone, the agent picks a free port itself.
    met = meeting or Meeting("localhost:0", f"{os.getpid()}-{time.time_ns()}", 1)
    config = api.LaunchConfig(
        min_nodes=met.num_nodes,
        max_nodes=met.num_nodes,
        nproc_per_node=processes,
        run_id=met.run_id,
        rdzv_backend="c10d",
        rdzv_endpoint=met.endpoint,
        rdzv_configs={"join_timeout": met.wait_sec, "read_timeout": met.wait_sec},
        max_restarts=0,
        local_addr=local_addr if meeting else "localhost",
    )
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    here = socket.gethostname()
    if met.num_nodes > 1:
        # launch_agent takes no agent of ours in any other way.
        api.LocalElasticAgent = _watching(api.LocalElasticAgent)
    try:
        api.elastic_launch(config, command[0])(*command[1:])
    except ChildFailedError as error:
        status, line = _verdict(error.failures, here)
    except NodeLostError as error:
        status, line = 1, f"{here}: ended, because {error}"
    except RendezvousError as error:
        reason = str(error) or type(error).__name__
        status, line = 1, f"{here}: {met.num_nodes} nodes did not meet at {met.endpoint}: {reason}"
    except SignalException as error:
        status, line = 128 + error.sigval, f"{here}: ended by {error.sigval.name}; {RESUME}"
    else:
        return 0
    if line:
        print(f"launch: {' '.join(line.split())}", file=sys.stderr, flush=True)
    return status


def _watching(agent: type) -> type:
    """An agent class that ends when another node's processes fail.

    PyTorch's leaves that to the surviving processes, which may wait minutes for the lost ones.
    """
    from torch.distributed import DistError
    from torch.distributed.elastic.agent.server.api import WorkerState

    class WatchingAgent(agent):
        def _monitor_workers(self, worker_group: Any) -> Any:
            result = super()._monitor_workers(worker_group)
            try:
                if result.state == WorkerState.FAILED:
                    _, line = _verdict(result.failures, socket.gethostname())
                    self._store.set("failed", line or "a user's mistake, printed above")
                    time.sleep(TOLD_SEC)  # the store goes with the first node's agent
                elif result.state == WorkerState.HEALTHY and self._store.check(["failed"]):
                    raise NodeLostError(self._store.get("failed").decode())
            except DistError:
                if result.state == WorkerState.HEALTHY:
                    raise NodeLostError("the first node is gone") from None
            return result

    return WatchingAgent


def _verdict(failures: Mapping[int, Any], here: str) -> tuple[int, str]:
    """Status, and line about the process that failed first; no line for a user's mistake.

    Args:
        failures: PyTorch's ProcessFailure of each rank.
        here: Name of this node.
    """
    # Processes that were killed come before those that then lost them, and these before those
    # that the agent ended.
    order = {-signal.SIGTERM: 2}
    rank, first = min(
        failures.items(),
        key=lambda f: (order.get(f[1].exitcode, f[1].exitcode > 0), f[1].timestamp, f[0]),
    )
    if first.exitcode == USER_ERROR_STATUS:
        return USER_ERROR_STATUS, ""
    if first.exitcode < 0:
        how, status = f"was killed by {first.signal_name()}", 128 - first.exitcode
    else:
        how, status = f"ended with exit code {first.exitcode}", first.exitcode
    return status, f"rank {rank} (process {first.pid} on {here}) {how}; {RESUME}"
