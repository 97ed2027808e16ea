#!/usr/bin/env python3
"""Run a command on this machine, once or as numbered jobs, by Kaldi's calling convention.

    run.py [options] [JOB=1:N] LOG COMMAND [ARGUMENT...]

In LOG and in every ARGUMENT the word JOB (or whatever name stands before the =) becomes the number
of the job. The command is run as it is, without a shell. Each job's log holds the command, when it
started, what it printed, how long it took and its status.

When a job fails, no further one is started, the end of its log is shown and its status returned.
Ctrl-C, a TERM signal or the death of the calling script stop the jobs.
"""

import contextlib
import ctypes
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

TAIL_LINES = 30
GRACE_SEC = 10.0  # between TERM and KILL
POLL_SEC = 0.1
USER_ERROR_STATUS = 2
# Resources that a cluster's launcher asks for; here the machine is what it is.
IGNORED = ("--num_threads", "--mem", "--gpu", "--time", "--config", "--num_nodes", "--max_retries")
HELP = (
    f"{__doc__}\n"
    "options:\n"
    "  --max_jobs_run N   how many jobs run at once (default: the processors of this machine)\n"
    f"  {' '.join(IGNORED)}: accepted with one value and ignored\n"
)


class UsageError(Exception):
    """The command line is not one of ours."""


class Jobs:
    """What the command line asks for: one command for each number of a range."""

    def __init__(self, argv: list[str]) -> None:
        """Parse `argv`; raises UsageError."""
        self.options: dict[str, str] = {}
        self.max_jobs_run = len(os.sched_getaffinity(0))
        rest = list(argv)
        while rest and rest[0].startswith("-"):
            name = rest.pop(0).replace("-", "_").replace("__", "--", 1)
            if not rest:
                raise UsageError(f"{name} needs a value")
            value = rest.pop(0)
            if name in ("--max_jobs_run", "--num_jobs"):
                if not value.isdigit() or int(value) < 1:
                    raise UsageError(f"{name} {value}: expected a number from 1")
                self.max_jobs_run = int(value)
                self.options["--max_jobs_run"] = value
            elif name in IGNORED:
                self.options[name] = value
            else:
                raise UsageError(f"unknown option {name}")
        self.name, self.first, self.last = "", 1, 1
        match = (
            re.fullmatch(r"([A-Za-z_][A-Za-z0-9_]*)=(\d+)(?::(\d+))?", rest[0]) if rest else None
        )
        if match:
            rest.pop(0)
            self.name, self.first = match[1], int(match[2])
            self.last = int(match[3] or match[2])
            if not 1 <= self.first <= self.last:
                raise UsageError(f"{match[0]}: expected a range such as {self.name}=1:4")
        if len(rest) < 2:
            raise UsageError("a log file and a command are needed (see --help)")
        self.log, self.command = rest[0], rest[1:]
        if self.last > self.first and self.name not in self.log:
            raise UsageError(f"{self.log}: several jobs, one log: put {self.name} into its name")

    @property
    def numbers(self) -> range:
        return range(self.first, self.last + 1)

    def of(self, number: int) -> tuple[Path, list[str]]:
        """Log and command of one job."""
        if not self.name:
            return Path(self.log), self.command
        put = str(number)
        return Path(self.log.replace(self.name, put)), [
            argument.replace(self.name, put) for argument in self.command
        ]


def tail(log: Path, status: int) -> list[str]:
    """What to show of a failed job's log: a user's mistake is one line, anything else its end."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    if status == USER_ERROR_STATUS:
        mistakes = [line for line in lines if line.startswith("error: ")]
        if mistakes:
            return mistakes[-1:]
    return lines[-TAIL_LINES:]


def report_failure(log: Path, status: int, launcher: str) -> None:
    """Print the end of a failed job's log."""
    shown = tail(log, status)
    if len(shown) > 1:
        print(f"{launcher}: the last lines of {log}:", file=sys.stderr)
    for line in shown:
        print(line, file=sys.stderr)
    print(f"{launcher}: failed with status {status}, log: {log}", file=sys.stderr)


class Job:
    """A running job and its log."""

    def __init__(self, log: Path, command: list[str]) -> None:
        self.log = log
        self.start = time.monotonic()
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w", encoding="utf-8") as file:
            print(f"# {shlex.join(command)}", file=file)
            print(f"# Started at {time.strftime('%Y-%m-%d %H:%M:%S')}", file=file)
            print("#", file=file, flush=True)
            # A session of its own, so that stopping it reaches the processes it started.
            try:
                self.process: subprocess.Popen | None = subprocess.Popen(
                    command,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                    preexec_fn=die_with_parent,
                )
            except OSError as error:
                self.process = None
                print(f"{command[0]}: {error.strerror}", file=file)

    def poll(self) -> int | None:
        """Status of the job, None while it runs; a signal N counts as 128 + N."""
        if self.process is None:
            return 127
        status = self.process.poll()
        return status if status is None or status >= 0 else 128 - status

    def close(self, status: int) -> None:
        """Write the end of the log."""
        with self.log.open("a", encoding="utf-8") as file:
            print(f"# Accounting: time={time.monotonic() - self.start:.1f}", file=file)
            now = time.strftime("%Y-%m-%d %H:%M:%S")
            print(f"# Ended (code {status}) at {now}", file=file)

    def signal(self, number: int) -> None:
        """Send a signal to the job and to what it started."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)


class Bar:
    """One line on a terminal: how many jobs are done, how long, and the newest log's last line."""

    def __init__(self, total: int) -> None:
        self.total, self.start, self.shown = total, time.monotonic(), 0.0
        self.on = sys.stderr.isatty()

    def show(self, n_done: int, log: Path | None) -> None:
        now = time.monotonic()
        if not self.on or now - self.shown < 1.0:
            return
        self.shown = now
        width = os.get_terminal_size(sys.stderr.fileno()).columns or 80
        last = ""
        if log is not None:
            with log.open("rb") as file:
                file.seek(max(0, log.stat().st_size - 2048))
                lines = re.split(rb"[\r\n]+", file.read().strip())
            last = lines[-1].decode("utf-8", "replace")
        filled = 20 * n_done // self.total
        minutes, seconds = divmod(int(now - self.start), 60)
        line = f"[{'#' * filled}{'-' * (20 - filled)}] {n_done}/{self.total} "
        line += f"{minutes}:{seconds:02d} {last}"
        print(f"\r\x1b[K{line[: width - 1]}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        if self.on and self.shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def stop(running: dict[int, Job]) -> None:
    """End the running jobs: first asked, then made to."""
    for job in running.values():
        job.signal(signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SEC
    while any(job.poll() is None for job in running.values()) and time.monotonic() < deadline:
        time.sleep(POLL_SEC)
    for job in running.values():
        job.signal(signal.SIGKILL)
        job.close(128 + signal.SIGTERM)


def run(jobs: Jobs, launcher: str = "run.py") -> int:
    """Run all jobs; returns 0, or the status of the first that failed."""
    waiting, running = list(jobs.numbers), {}
    n_done, failed = 0, []
    bar = Bar(len(waiting))
    try:
        while running or (waiting and not failed):
            while waiting and not failed and len(running) < jobs.max_jobs_run:
                number = waiting.pop(0)
                running[number] = Job(*jobs.of(number))
            for number, job in list(running.items()):
                status = job.poll()
                if status is None:
                    continue
                del running[number]
                job.close(status)
                n_done += 1
                if status:
                    failed.append((job.log, status))
            bar.show(n_done, next((job.log for job in reversed(running.values())), None))
            if running:
                time.sleep(POLL_SEC)
    except KeyboardInterrupt:
        bar.clear()
        stop(running)
        print(f"{launcher}: interrupted; run the same command again to resume", file=sys.stderr)
        return 130
    bar.clear()
    for log, status in failed[:1]:
        report_failure(log, status, launcher)
    if len(failed) > 1:
        print(f"{launcher}: {len(failed)} of {bar.total} jobs failed", file=sys.stderr)
    return failed[0][1] if failed else 0


def die_with_parent() -> None:
    """Have this process told to end (TERM) when the one that started it dies, even by KILL."""
    pr_set_pdeathsig = 1
    with contextlib.suppress(OSError, AttributeError):  # Linux alone has it
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def raise_interrupt(*_: object) -> None:
    """Signal handler: TERM and HUP end a launcher the way Ctrl-C does."""
    raise KeyboardInterrupt


def main() -> int:
    if len(sys.argv) > 1 and sys.argv[1] in ("--help", "-h"):
        print(HELP)
        return 0
    try:
        jobs = Jobs(sys.argv[1:])
    except UsageError as error:
        print(f"run.py: error: {error}", file=sys.stderr)
        return USER_ERROR_STATUS
    # Set even where a shell started us in the background with INT ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, raise_interrupt)
    die_with_parent()
    return run(jobs)


if __name__ == "__main__":
    sys.exit(main())
