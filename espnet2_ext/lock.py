"""One writer of a folder at a time, across commands and machines.

A lock is a hidden file that names its holders, and that they keep locked (flock): it is free when
they and what they started have ended, however they end. What a killed holder leaves is a file that
nobody has locked, and the next holder takes it over.

Shell scripts lock a file that they have opened: ``python -m espnet2_ext.lock FD FILE alone|shared
PID COMMAND...`` (utils/steps.sh).
"""

import contextlib
import fcntl
import hashlib
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from espnet2_ext.errors import UserError, at_end, cli

NAME = ".lock"
READERS = ".readers.lock"
"""Held together by those who read a folder, and alone by one who makes it anew."""

DEAD_SEC = 30.0
"""How long what a killed holder started may take to end."""

POLL_SEC = 0.2
OPEN_AGAIN_STATUS = 75
COMMAND_CHARS = 300
_held: set[Path] = set()


@dataclass(frozen=True)
class Holder:
    """Who holds a lock: a line of its file.

    Args:
        pid: Process.
        host: Its machine.
        since: Date and time.
        work: What holders who share the lock have in common; empty: it is held alone.
        command: What the process runs.
    """

    pid: int
    host: str
    since: str
    work: str
    command: str

    @classmethod
    def me(cls, command: str = "", pid: int = 0, work: str = "") -> "Holder":
        """This process, or the one that it locks for."""
        command = command or shlex.join([Path(sys.argv[0]).stem, *sys.argv[1:]])
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        shown = " ".join(command.split())[:COMMAND_CHARS]
        return cls(pid or os.getpid(), socket.gethostname(), now, work, shown)

    @classmethod
    def read(cls, path: Path) -> list["Holder"]:
        """The holders that a lock's file names."""
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        fields = [line.split("\t") for line in lines]
        return [cls(int(f[0]), *f[1:]) for f in fields if len(f) == 5 and f[0].isdigit()]

    def line(self) -> str:
        return "\t".join((str(self.pid), self.host, self.since, self.work, self.command)) + "\n"

    def lives(self) -> bool:
        """Whether its process runs; one of another machine is taken to do so."""
        if self.host != socket.gethostname():
            return True
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        return state not in "ZX"

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}: {self.command}"


@contextlib.contextmanager
def hold(folder: str | Path, name: str = NAME, work: str = "") -> Iterator[None]:
    """Be the only one who writes `folder`, which is made if it is not there.

    Does nothing where this process holds the lock already.

    Args:
        folder: Where the lock lies.
        name: Of the lock; another one where a part of the folder is written.
        work: Others who do the same work may hold it too; empty: nobody else may.

    Raises:
        UserError: another process holds it (named are process, machine, since when, and command),
            or nothing can be written there.
    """
    folder = Path(folder)
    path = folder.resolve() / name
    if path in _held:
        yield
        return
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise UserError(folder, error.strerror, "a folder to write to") from None
        locked = False
        try:
            locked = lock(fd, path, Holder.me(work=work))
        finally:
            if not locked:
                os.close(fd)
        if locked:
            break
    _held.add(path)
    try:
        yield
    finally:
        _held.discard(path)
        if not work or _flock(fd, fcntl.LOCK_EX):  # the last one of those who share it
            path.unlink(missing_ok=True)
        fcntl.flock(fd, fcntl.LOCK_UN)  # forked workers have it open too
        os.close(fd)


@contextlib.contextmanager
def hold_shard(folder: str | Path, shard: int, num_shards: int, work: str) -> Iterator[None]:
    """`hold` of one of several jobs that write a folder together.

    Args:
        folder: What they write.
        shard: This job's number.
        num_shards: How many there are.
        work: The same for these jobs, and for no others.

    Raises:
        UserError: a command that does other work, or another job of this number, writes there.
    """
    same = hashlib.sha256(f"{work} {num_shards}".encode()).hexdigest()[:16]
    with hold(folder, work=same), hold(folder, f".shard{shard}{NAME}"):
        yield


def hold_to_the_end(folder: str | Path, name: str = NAME) -> None:
    """`hold` until the command line that runs (`errors.cli`) ends."""
    at_end(hold(folder, name))


def hold_training(folder: str | Path | None) -> contextlib.AbstractContextManager[None]:
    """`hold` of a training: of its processes, which share the folder, the first holds it."""
    rank = os.environ.get("RANK") or os.environ.get("SLURM_PROCID") or "0"
    return hold(folder) if folder and rank == "0" else contextlib.nullcontext()


def lock(fd: int, path: Path, holder: Holder) -> bool:
    """Lock an open file and write the holder into it; waits for what a killed holder started.

    Args:
        fd: The open file, for reading and writing.
        path: Its name.
        holder: Who locks it; with others of the same `work`.

    Returns:
        Whether it is locked; False when the name stands for another file by now: open it again.

    Raises:
        UserError: somebody else holds it.
    """
    deadline = time.monotonic() + DEAD_SEC
    while True:
        alone = _flock(fd, fcntl.LOCK_EX)
        shared = not alone and bool(holder.work) and _flock(fd, fcntl.LOCK_SH)
        if not _is(fd, path):
            return False
        others = [h for h in Holder.read(path) if (h.pid, h.host) != (holder.pid, holder.host)]
        living = [other for other in others if other.lives()]
        if alone or (shared and all(other.work == holder.work for other in living)):
            break
        if living or time.monotonic() > deadline:
            who = "; ".join(map(str, living or others)) or "a command that it does not name"
            ended = "" if living else ", which was killed, but what it started still runs"
            raise UserError(_what(path), f"in use by {who}{ended}", "one writer at a time")
        time.sleep(POLL_SEC)
    if alone:
        os.ftruncate(fd, 0)
    os.lseek(fd, 0, os.SEEK_END)
    os.write(fd, holder.line().encode())
    if alone and holder.work:
        fcntl.flock(fd, fcntl.LOCK_SH)
    return True


def _flock(fd: int, mode: int) -> bool:
    try:
        fcntl.flock(fd, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        print(f"this disk has no locks ({error.strerror}): nothing keeps other commands from "
              "writing to the same folder", file=sys.stderr)  # fmt: skip
    return True


def _is(fd: int, path: Path) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def _what(path: Path) -> Path:
    """The folder, or the part of it, that a lock is about."""
    part = path.name.removesuffix(NAME).removesuffix(".step").removeprefix(".")
    return path.parent if path.name == READERS else path.parent / part


@cli
def main() -> int:
    """Lock a file that the calling script has open."""
    fd, path, work, pid, *command = sys.argv[1:]
    holder = Holder.me(" ".join(command), int(pid), work)
    return 0 if lock(int(fd), Path(path), holder) else OPEN_AGAIN_STATUS


if __name__ == "__main__":
    main()
