#!/usr/bin/env python3
"""Submit a command to Slurm, once or as an array, by Kaldi's calling convention, and wait for it.

    slurm.py [options] [JOB=1:N] LOG COMMAND [ARGUMENT...]

Same arguments, logs and statuses as run.py. What sbatch is asked for comes from --config FILE
(default: the recipe's conf/slurm.yaml, or the template's, which explains its keys): `defaults`,
then the `commands` whose names match, then this command line (--num_nodes, --num_threads, --gpu,
--mem, --time).

The logs must be on a disk that all machines share. Ctrl-C cancels the job.
"""

import fnmatch
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from guard import die_with_parent
from run import USER_ERROR_STATUS, Jobs, UsageError, raise_interrupt, report_failure

# Keys of the configuration, and sbatch's options for those that are options of their own.
SBATCH_OPTIONS = {
    "partition": "--partition",
    "account": "--account",
    "time": "--time",
    "mem": "--mem",
    "num_threads": "--cpus-per-task",
    "num_nodes": "--nodes",
}
KEYS = (*SBATCH_OPTIONS, "gres", "gpu", "extra")
DEFAULT_GRES = "gpu:{gpu}"
FILES_WAIT_SEC = 30.0  # a shared disk may show a finished log late


def read_config(text: str, place: str) -> dict[str, dict]:
    """``defaults`` and ``commands`` of a configuration; raises UsageError."""
    import yaml

    try:
        config = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        line = error.problem_mark.line + 1 if getattr(error, "problem_mark", None) else 1
        raise UsageError(f"{place}:{line}: not YAML") from None
    if not isinstance(config, dict) or set(config) - {"defaults", "commands"}:
        raise UsageError(f"{place}: expected the keys defaults and commands")
    defaults, commands = config.get("defaults") or {}, config.get("commands") or {}
    for name, values in [("defaults", defaults), *commands.items()]:
        if not isinstance(values, dict):
            raise UsageError(f"{place}: {name}: expected keys with values")
        for key, value in values.items():
            if key not in KEYS:
                raise UsageError(f"{place}: {name}: unknown key {key} (one of {', '.join(KEYS)})")
            wanted = list if key == "extra" else (str, int, type(None))
            if not isinstance(value, wanted):
                raise UsageError(f"{place}: {name}: {key}: {value!r} (extra is a list of words)")
    return {"defaults": defaults, "commands": commands}


def name_of(command: list[str]) -> str:
    """What the configuration calls a command: a CLI of ours by its name, another by its file's."""
    for word in command:
        if word.startswith("espnet2_ext.bin.") and word != "espnet2_ext.bin.launch":
            return word.removeprefix("espnet2_ext.bin.")
    return Path(command[0]).name


def sbatch_command(jobs: Jobs, config: dict[str, dict]) -> list[str]:
    """The whole command line of sbatch for `jobs`; raises UsageError."""
    values = dict(config["defaults"])
    for pattern, own in config["commands"].items():
        if fnmatch.fnmatch(name_of(jobs.command), pattern):
            values |= own
    values |= {key.removeprefix("--"): value for key, value in jobs.options.items()}
    words = []
    for key, option in SBATCH_OPTIONS.items():
        if values.get(key) is not None:
            words.append(f"{option}={values[key]}")
    gpu = str(values.get("gpu") or "0")
    if gpu != "0":
        words.append("--gres=" + str(values.get("gres") or DEFAULT_GRES).replace("{gpu}", gpu))
    words += [str(word) for word in values.get("extra") or []]
    limit = values.get("max_jobs_run", "")
    array = f"{jobs.first}-{jobs.last}" + (f"%{limit}" if limit else "")
    log = Path(jobs.log)
    here = Path(__file__).resolve().parent
    return [
        "sbatch",
        "--export=ALL",
        "--ntasks-per-node=1",
        *words,
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
        path = Path(named or "conf/slurm.yaml")
        if not named and not path.is_file():
            path = Path(__file__).resolve().parents[1] / path
        if not path.is_file():
            raise UsageError(f"{path}: no such file")
        text = path.read_text(encoding="utf-8")
        command = sbatch_command(jobs, read_config(text, str(path)))
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
