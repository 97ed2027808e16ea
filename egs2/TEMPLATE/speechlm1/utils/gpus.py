"""The GPUs of this machine, lent to one job each, whichever launcher of this user starts it."""

import contextlib
import fcntl
import os
import re
import shlex
import subprocess
import sys
import tempfile


def visible_gpus() -> list[str]:
    """Names of the GPUs that we may use, as CUDA_VISIBLE_DEVICES takes them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return listed_gpus()
    names = [name.strip() for name in named.split(",")]
    # CUDA stops at the first that is none.
    end = next((i for i, name in enumerate(names) if name in ("", "-1", "NoDevFiles")), len(names))
    return names[:end]


def listed_gpus() -> list[str]:
    """What nvidia-smi lists: numbers of GPUs; of a divided one the names of its parts (MIG)."""
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    except OSError:
        return []
    names: list[str] = []
    for line in done.stdout.splitlines():
        if match := re.match(r"GPU (\d+):", line):
            names.append(match[1])
        elif match := re.search(r"\bUUID: (MIG-[^)\s]+)", line):
            if names and names[-1].isdigit():
                names.pop()  # divided: it cannot be used whole
            names.append(match[1])
    return names


class Gpus:
    """Lends GPUs, so many at once, that no other launcher has lent.

    A lent GPU is a locked file in the system's temporary folder: it is free again when launcher and
    job have ended, however they end.

    Args:
        names: As `visible_gpus` gives them.
        each: GPUs of one job.
    """

    def __init__(self, names: list[str], each: int) -> None:
        self.names, self.each = names, each
        self._locks: dict[str, int] = {}
        self._said = False

    def lend(self) -> list[str]:
        """GPUs for one job; none of them when there are not enough."""
        lent: list[str] = []
        for index, name in enumerate(self.names):
            if len(lent) == self.each:
                break
            if len(lent) + len(self.names) - index < self.each:
                # Another launcher has what is missing, and may wait for these.
                self.take_back(lent)
                return []
            if name not in self._locks and self._lock(name):
                lent.append(name)
        if len(lent) < self.each:
            self.take_back(lent)
            return []
        return lent

    def take_back(self, names: list[str]) -> None:
        """Make a job's GPUs free."""
        for name in names:
            fd = self._locks.pop(name)
            fcntl.flock(fd, fcntl.LOCK_UN)  # jobs started since have it open too
            os.close(fd)

    def say_that_we_wait(self, launcher: str) -> None:
        """Say once who holds the GPUs."""
        if self._said:
            return
        self._said = True
        print(f"{launcher}: waiting for {self.each} of {len(self.names)} GPUs, lent to:",
              file=sys.stderr)  # fmt: skip
        for name in self.names:
            with contextlib.suppress(OSError), open(_path(name)) as file:
                print(f"  GPU {name}: {file.read().strip()}", file=sys.stderr, flush=True)

    def _lock(self, name: str) -> bool:
        fd = os.open(_path(name), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        os.ftruncate(fd, 0)
        os.write(fd, f"process {os.getpid()}: {shlex.join(sys.argv[1:])}\n".encode())
        os.set_inheritable(fd, True)
        self._locks[name] = fd
        return True


def _path(name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9-]", "_", name)
    return os.path.join(tempfile.gettempdir(), f"espnet2_ext_{os.getuid()}_gpu_{plain}.lock")
