#!/usr/bin/env python3
"""Run a command on this machine, once or as numbered jobs, by Kaldi's calling convention.

    run.py [options] [JOB=1:N] LOG COMMAND [ARGUMENT...]

In LOG and in every ARGUMENT the word JOB (or whatever name stands before the =) becomes the number
of the job; within a longer word (JOBS) it stays. Choose another name where a path holds that word.
The command is run as it is, without a shell. Each job's log holds the command, when it started,
what it printed, how long it took and its status.

With --gpu N every job sees N GPUs of its own, by CUDA_VISIBLE_DEVICES: no more jobs run at once
than that allows, also beside those of this user's other run.py on this machine. Without it a job
sees the GPUs that run.py sees.

When a job fails, no further one is started, the end of its log is shown and its status returned.
Ctrl-C, a TERM signal or the death of the calling script stop the jobs, and all that they started.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from gpus import Gpus, visible_gpus
from guard import GRACE_SEC, die_with_parent

TAIL_LINES = 30
POLL_SEC = 0.1
USER_ERROR_STATUS = 2
# Resources that a cluster's launcher asks for; here the machine is what it is.
IGNORED = ("--num_threads", "--mem", "--time", "--config", "--num_nodes", "--max_retries")
HELP = (
    f"{__doc__}\n"
    "options:\n"
    "  --max_jobs_run N   how many jobs run at once (default: the processors of this machine)\n"
    "  --gpu N            GPUs of each job (default: 0)\n"
    f"  {' '.join(IGNORED)}: accepted with one value and ignored\n"
)


class UsageError(Exception):
    """The command line is not one of ours."""


class Jobs:
    """What the command line asks for: one command for each number of a range."""

    def __init__(self, argv: list[str]) -> None:
        """Parse `argv`; raises UsageError."""
        self.options: dict[str, str] = {}
        self.max_jobs_run, self.gpu = len(os.sched_getaffinity(0)), 0
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
            elif name == "--gpu":
                if not value.isdigit():
                    raise UsageError(f"--gpu {value}: expected a number")
                self.gpu, self.options["--gpu"] = int(value), value
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
        self._word = re.compile(rf"(?<![A-Za-z0-9]){self.name}(?![A-Za-z0-9])")
        if self.last > self.first and not self._word.search(self.log):
            raise UsageError(f"{self.log}: several jobs, one log: put {self.name} into its name")

    @property
    def numbers(self) -> range:
        return range(self.first, self.last + 1)

    def of(self, number: int) -> tuple[Path, list[str]]:
        """Log and command of one job."""
        if not self.name:
            return Path(self.log), self.command
        put = str(number)
        return Path(self._word.sub(put, self.log)), [
            self._word.sub(put, argument) for argument in self.command
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
    """A running job, its log, and the GPUs that it alone sees (None: those that we see)."""

    def __init__(self, log: Path, command: list[str], gpus: list[str] | None = None) -> None:
        self.log, self.gpus = log, gpus
        self.start = time.monotonic()
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w", encoding="utf-8") as file:
            print(f"# {shlex.join(command)}", file=file)
            seen = f" on GPU {','.join(gpus)}" if gpus else ""
            print(f"# Started at {time.strftime('%Y-%m-%d %H:%M:%S')}{seen}", file=file)
            print("#", file=file, flush=True)
            own = os.getpid()
            # In a session of its own: Ctrl-C on the terminal is ours to handle. It keeps the files
            # that we were given open, and with them the locks of the calling script.
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(__file__).with_name("guard.py")), *command],
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=None if gpus is None else os.environ | {"CUDA_VISIBLE_DEVICES": ",".join(gpus)},
                close_fds=False,
                start_new_session=True,
                preexec_fn=lambda: die_with_parent(own),
            )

    def poll(self) -> int | None:
        """Status of the job, None while it runs; a signal N counts as 128 + N."""
        status = self.process.poll()
        return status if status is None or status >= 0 else 128 - status

    def close(self, status: int) -> None:
        """Write the end of the log."""
        with self.log.open("a", encoding="utf-8") as file:
            print(f"# Accounting: time={time.monotonic() - self.start:.1f}", file=file)
            now = time.strftime("%Y-%m-%d %H:%M:%S")
            print(f"# Ended (code {status}) at {now}", file=file)


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
    """End the running jobs: their guards ask them to, and then make them."""
    for job in running.values():
        job.process.terminate()
    deadline = time.monotonic() + 2 * GRACE_SEC
    while any(job.poll() is None for job in running.values()) and time.monotonic() < deadline:
        time.sleep(POLL_SEC)
    for job in running.values():
        job.close(128 + signal.SIGTERM)


def run(jobs: Jobs, launcher: str = "run.py") -> int:
    """Run all jobs; returns 0, or the status of the first that failed; raises UsageError."""
    waiting, running = list(jobs.numbers), {}
    n_done, failed = 0, []
    bar = Bar(len(waiting))
    gpus = None
    if jobs.gpu:
        gpus = Gpus(visible_gpus(), jobs.gpu)
        if len(gpus.names) < jobs.gpu:
            raise UsageError(
                f"--gpu {jobs.gpu}: {len(gpus.names)} GPUs here, by CUDA_VISIBLE_DEVICES if it is "
                "set, else by nvidia-smi"
            )
    try:
        while running or (waiting and not failed):
            while waiting and not failed and len(running) < jobs.max_jobs_run:
                lent = None
                if gpus is not None and not (lent := gpus.lend()):
                    break
                number = waiting.pop(0)
                running[number] = Job(*jobs.of(number), lent)
            if gpus is not None and not running:
                gpus.say_that_we_wait(launcher)
            for number, job in list(running.items()):
                status = job.poll()
                if status is None:
                    continue
                del running[number]
                job.close(status)
                if gpus is not None:
                    gpus.take_back(job.gpus)
                n_done += 1
                if status:
                    failed.append((job.log, status))
            bar.show(n_done, next((job.log for job in reversed(running.values())), None))
            if running or (waiting and gpus is not None):
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


def raise_interrupt(*_: object) -> None:
    """Signal handler: TERM and HUP end a launcher the way Ctrl-C does, once."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> int:
    if len(sys.argv) > 1 and sys.argv[1] in ("--help", "-h"):
        print(HELP)
        return 0
    # Set even where a shell started us in the background with INT ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, raise_interrupt)
    die_with_parent()
    try:
        return run(Jobs(sys.argv[1:]))
    except UsageError as error:
        print(f"run.py: error: {error}", file=sys.stderr)
    except OSError as error:  # of a log: the guards of running jobs end them
        print(f"run.py: error: {error.filename or 'a log'}: {error.strerror}", file=sys.stderr)
    return USER_ERROR_STATUS


if __name__ == "__main__":
    sys.exit(main())
