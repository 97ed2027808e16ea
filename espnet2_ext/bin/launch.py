"""Run a training module as one process or many, on one machine or several.

``python -m espnet2_ext.bin.launch --ngpu 4 espnet2_ext.bin.train flow --config conf/flow.yaml ...``

Several machines (all see the same disk): ``--hostfile FILE`` (lines of ``host slots=N``; ssh starts
each), a Slurm job of ``--num_nodes`` nodes (srun starts each), or this command on every one of
``--num_nodes`` machines with MASTER_ADDR set to the first.
"""

import argparse
import os
import sys
from pathlib import Path

from espnet2_ext.errors import UserError, cli
from espnet2_ext.train import nodes
from espnet2_ext.train.launch import Meeting, run_agent, training_command


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ngpu", type=int, default=0, help="GPUs of each node; 0: the CPU")
    parser.add_argument("--processes", type=int, help="of each node; default: one per GPU")
    parser.add_argument("--num_nodes", type=int, default=1)
    parser.add_argument("--hostfile", type=Path, help="DeepSpeed's: host slots=N")
    parser.add_argument("--wait_sec", type=int, default=600, help="for the other nodes to come")
    # What a node's agent is started with.
    for name in ("--agent", "--run_id", "--local_addr"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    parser.add_argument("--end_with_stdin", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("training", nargs=argparse.REMAINDER, help="module and its arguments")
    return parser


@cli
def main(argv: list[str] | None = None) -> int:
    args = get_parser().parse_args(argv)
    training, num_nodes, ngpu = args.training, args.num_nodes, args.ngpu
    if not training:
        raise UserError("launch", "no module to run", "MODULE [ARGUMENT...]")
    processes = args.processes or ngpu or 1
    if ngpu and processes != ngpu:
        raise UserError("launch", f"{processes} processes, {ngpu} GPUs", "one each", "--processes")

    if args.agent:
        if args.end_with_stdin:
            nodes.end_with_stdin()
        meeting = Meeting(args.agent, args.run_id, num_nodes, args.wait_sec)
        command = training_command(training, ngpu, True)
        return run_agent(command, processes, meeting, args.local_addr)
    if args.hostfile:
        hosts = nodes.read_hostfile(args.hostfile)
        if num_nodes not in (1, len(hosts)):
            raise UserError(args.hostfile, f"{len(hosts)} hosts", f"{num_nodes}", "--num_nodes")
        meeting = nodes.meet_at(hosts[0].address, len(hosts), args.wait_sec, training)
        return nodes.run_by_ssh(hosts, meeting, ngpu, training)
    if num_nodes > 1 and "SLURM_JOB_ID" in os.environ:
        first = nodes.first_node_of_slurm(num_nodes)
        meeting = nodes.meet_at(first, num_nodes, args.wait_sec, training)
        agent = nodes.agent_command(meeting, ngpu, training, "--processes", str(processes))
        os.execvp("srun", nodes.srun_command(num_nodes, agent))
    if num_nodes > 1:
        if "MASTER_ADDR" not in os.environ:
            raise UserError("launch", f"{num_nodes} nodes and nothing that starts them",
                            "--hostfile, a Slurm job, or MASTER_ADDR")  # fmt: skip
        meeting = nodes.meet_at(os.environ["MASTER_ADDR"], num_nodes, args.wait_sec, training)
        print(f"launch: meeting at {meeting.endpoint}: start this command on {num_nodes - 1} more",
              file=sys.stderr, flush=True)  # fmt: skip
        return run_agent(training_command(training, ngpu, True), processes, meeting)
    if processes > 1:
        return run_agent(training_command(training, ngpu, True), processes, None)
    os.execv(sys.executable, training_command(training, ngpu, False))


if __name__ == "__main__":
    main()
