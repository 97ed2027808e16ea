#!/usr/bin/env python3
"""Run COMMAND so that nothing of it outlives its caller: guard.py COMMAND [ARGUMENT...]

The guard ends with the command's status. Told to end (TERM, INT, HUP), or when the process that
started it dies, even by KILL, it tells the command and what that started to end, children of
children and other sessions too, and kills what is left after a while. What a command leaves running
when it ends by itself is ended as well.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time

GRACE_SEC = 10.0  # between TERM and KILL
POLL_SEC = 0.05
NO_COMMAND_STATUS = 127
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Told(BaseException):
    """A signal told this process to end."""


def die_with_parent(parent: int = 0) -> None:
    """Have this process told to end (TERM) when the one that started it dies, even by KILL.

    Args:
        parent: Its process id, if known: then a parent that died before this call is noticed.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if parent not in (0, os.getppid()):
        os.kill(os.getpid(), signal.SIGTERM)


def _prctl(option: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):  # Linux alone has it
        ctypes.CDLL(None).prctl(option, value)


def started_by(pid: int) -> dict[int, int]:
    """Living processes that `pid` started, and that those did, each with its parent's id."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat") as file:
                state, parent = file.read().rpartition(")")[2].split()[:2]
                if state not in "ZX":
                    children.setdefault(int(parent), []).append(int(name))
    found: dict[int, int] = {}
    new = [pid]
    while new:
        found |= {child: parent for parent in new for child in children.get(parent, [])}
        new = [child for parent in new for child in children.get(parent, [])]
    return found


def end_all(told: set[int]) -> None:
    """End every process under this one: its own children are told, with the grace, then all killed.

    A process that loses its parent becomes our child, so it is told then.

    Args:
        told: Those that have been told already.
    """
    deadline = time.monotonic() + GRACE_SEC
    while True:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        left = started_by(os.getpid())
        if not left:
            return
        for pid, parent in left.items():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if time.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
                elif parent == os.getpid() and pid not in told:
                    told.add(pid)
                    os.kill(pid, signal.SIGTERM)
        time.sleep(POLL_SEC)


def run(command: list[str]) -> int:
    """Run `command` to its end; returns its status, 128 + N for signal N."""

    def tell(*_: object) -> None:
        for number in _STOPPING:
            signal.signal(number, signal.SIG_IGN)
        raise Told

    def be_led() -> None:
        for number in _STOPPING:
            signal.signal(number, signal.SIG_DFL)
        die_with_parent(own)

    own, process = os.getpid(), None
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # what loses its parent becomes ours, not init's
    try:
        for number in _STOPPING:
            signal.signal(number, tell)
        process = subprocess.Popen(
            command, start_new_session=True, close_fds=False, preexec_fn=be_led
        )
        while True:
            pid, ended = os.waitpid(-1, 0)  # its own child, or an orphan that fell to it
            if pid == process.pid:
                break
        for number in _STOPPING:
            signal.signal(number, signal.SIG_IGN)
        end_all(set())
        status = os.waitstatus_to_exitcode(ended)
        return status if status >= 0 else 128 - status
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", flush=True)
        return NO_COMMAND_STATUS
    except Told:
        told = set()
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            told.add(process.pid)
        end_all(told)
        return 128 + signal.SIGTERM


if __name__ == "__main__":
    die_with_parent()
    sys.exit(run(sys.argv[1:]))
