#!/usr/bin/env python3
"""Submit a command to Slurm, once or as an array, by Kaldi's calling convention, and wait for it.

    slurm.py [options] [JOB=1:N] LOG COMMAND [ARGUMENT...]

Same arguments, logs and statuses as run.py; its options become options of sbatch by the lines of
--config FILE (default conf/slurm.conf, Kaldi's format):

    command sbatch --export=ALL
    option mem=* --mem $0
    option num_threads=* --cpus-per-task $0
    option gpu=0
    option gpu=* --gres=gpu:$0
    option max_jobs_run=*
    default gpu=0

The logs must be on a disk that all machines share. Ctrl-C cancels the job.
"""

import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from run import (
    USER_ERROR_STATUS,
    Jobs,
    UsageError,
    die_with_parent,
    raise_interrupt,
    report_failure,
)

DEFAULT_CONFIG = """
command sbatch --export=ALL
option mem=* --mem $0
option num_threads=* --cpus-per-task $0
option num_nodes=* --nodes $0
option time=* --time $0
option gpu=0
option gpu=* --gres=gpu:$0
"""
FILES_WAIT_SEC = 30.0  # a shared disk may show a finished log late


def read_config(text: str) -> tuple[list[str], dict[str, str], dict[tuple[str, str], list[str]]]:
    """Command, default values, and sbatch options by (option name, value or ``*``).

    Raises:
        UsageError: a line that is none of the three kinds.
    """
    command, defaults, options = ["sbatch"], {}, {}
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if not words:
            continue
        name, _, value = words[1].partition("=") if len(words) > 1 else ("", "", "")
        if words[0] == "command" and len(words) > 1:
            command = words[1:]
        elif words[0] == "default" and value and len(words) == 2:
            defaults[name] = value
        elif words[0] == "option" and value:
            options[name, value] = words[2:]
        else:
            raise UsageError(f"slurm configuration: {line!r} is no command, option or default line")
    return command, defaults, options


def sbatch_command(jobs: Jobs, config: str) -> list[str]:
    """The whole command line of sbatch for `jobs`; raises UsageError."""
    command, values, options = read_config(config)
    values.update({k.removeprefix("--"): v for k, v in jobs.options.items() if k != "--config"})
    limit = values.pop("max_jobs_run", "")
    values.pop("max_retries", None)
    for name, value in values.items():
        words = options.get((name, value), options.get((name, "*")))
        if words is None:
            raise UsageError(f"--{name} {value}: no line for it in the slurm configuration")
        command = command + [word.replace("$0", value) for word in words]
    array = f"{jobs.first}-{jobs.last}" + (f"%{limit}" if limit else "")
    log = Path(jobs.log)
    here = Path(__file__).resolve().parent
    return [
        *command,
        "--parsable",
        "--wait",
        f"--array={array}",
        f"--job-name={re.sub(r'[^A-Za-z0-9_.-]', '_', log.stem)}",
        "--output=/dev/null",
        str(here / "slurm_task.sh"),
        str(here / "run.py"),
        jobs.name or "JOB",
        jobs.log,
        *jobs.command,
    ]


def ended(log: Path) -> int | None:
    """Status that a finished job's log states; None when it does not."""
    if not log.is_file():
        return None
    found = re.findall(r"^# Ended \(code (\d+)\)", log.read_text(errors="replace"), re.M)
    return int(found[-1]) if found else None


def check_logs(jobs: Jobs) -> int:
    """Read the statuses of all jobs from their logs; returns 0 or that of the first that failed."""
    logs = [jobs.of(number)[0] for number in jobs.numbers]
    deadline = time.monotonic() + FILES_WAIT_SEC
    while any(ended(log) is None for log in logs) and time.monotonic() < deadline:
        time.sleep(0.5)
    failed = [(log, ended(log)) for log in logs if ended(log) != 0]
    for log, status in failed[:1]:
        if status is None:
            print(f"slurm.py: {log} has no end: the job was lost or cancelled", file=sys.stderr)
        else:
            report_failure(log, status, "slurm.py")
    if len(failed) > 1:
        print(f"slurm.py: {len(failed)} of {len(logs)} jobs failed", file=sys.stderr)
    return (failed[0][1] or 1) if failed else 0


def main() -> int:
    if len(sys.argv) > 1 and sys.argv[1] in ("--help", "-h"):
        print(__doc__)
        return 0
    try:
        jobs = Jobs(sys.argv[1:])
        named = jobs.options.get("--config")
        path = Path(named or "conf/slurm.conf")
        if named and not path.is_file():
            raise UsageError(f"{path}: no such file")
        config = path.read_text(encoding="utf-8") if path.is_file() else DEFAULT_CONFIG
        command = sbatch_command(jobs, config)
    except UsageError as error:
        print(f"slurm.py: error: {error}", file=sys.stderr)
        return USER_ERROR_STATUS
    for number in jobs.numbers:  # a log of an earlier run would be taken for this one's
        log = jobs.of(number)[0]
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, raise_interrupt)
    die_with_parent()
    job_id = ""
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            job_id = process.stdout.readline().strip().partition(";")[0]
            process.wait()
    except FileNotFoundError:
        print(f"slurm.py: error: {command[0]}: no such command", file=sys.stderr)
        return USER_ERROR_STATUS
    except KeyboardInterrupt:
        if job_id:
            subprocess.run(["scancel", job_id], check=False)
        print("slurm.py: interrupted; run the same command again to resume", file=sys.stderr)
        return 130
    if not job_id:
        print("slurm.py: sbatch did not take the job", file=sys.stderr)
        return 1
    return check_logs(jobs)


if __name__ == "__main__":
    sys.exit(main())
