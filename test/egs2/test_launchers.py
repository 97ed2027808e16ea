"""The launchers and the option parser that every recipe stage goes through."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UTILS = ROOT / "egs2/TEMPLATE/speechlm1/utils"
RUN, SLURM = UTILS / "run.py", UTILS / "slurm.py"


def call(script, *arguments, **options):
    return subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        **options,
    )


def wait_for(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_jobs_get_their_number_in_log_and_arguments_and_no_shell(tmp_path):
    log = tmp_path / "log" / "a.JOB.log"
    done = call(RUN, "--mem", "4G", "--gpu", "0", "JOB=2:4", log, "echo", "JOB/$(date) 'x'; y")
    assert done.returncode == 0, done.stderr
    for number in (2, 3, 4):
        lines = (tmp_path / f"log/a.{number}.log").read_text().splitlines()
        assert lines[0].startswith("# echo ") and lines[1].startswith("# Started at ")
        assert lines[3] == f"{number}/$(date) 'x'; y"
        assert lines[-2].startswith("# Accounting: time=")
        assert lines[-1].startswith("# Ended (code 0)")


def test_no_more_jobs_at_once_than_asked(tmp_path):
    code = "import os, time; open('n.JOB', 'w').close(); time.sleep(.2); os.remove('n.JOB')"
    count = f"{code}\nimport glob; print('left', len(glob.glob('n.*')))"
    done = call(RUN, "--max_jobs_run", 1, "JOB=1:3", tmp_path / "JOB.log", sys.executable, "-c",
                count, cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert all("left 0" in (tmp_path / f"{n}.log").read_text() for n in (1, 2, 3))


def test_a_failed_job_shows_its_tail_and_its_status_and_stops_the_rest(tmp_path):
    code = "import sys; [print('line', i) for i in range(99)]; sys.exit(7)"
    done = call(RUN, "--max_jobs_run", 1, "JOB=1:3", tmp_path / "JOB.log", sys.executable, "-c",
                code)  # fmt: skip
    assert done.returncode == 7
    assert "line 98" in done.stderr and "line 10\n" not in done.stderr
    assert str(tmp_path / "1.log") in done.stderr
    assert not (tmp_path / "2.log").exists()


def test_a_users_mistake_stays_one_line(tmp_path):
    code = "import sys; print('noise'); print('error: wav.scp:3: bad'); sys.exit(2)"
    done = call(RUN, tmp_path / "a.log", sys.executable, "-c", code)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "error: wav.scp:3: bad"
    assert "noise" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--frobnicate", "1", "a.log", "true"], "--frobnicate"),
        (["JOB=3:1", "a.JOB.log", "true"], "JOB=3:1"),
        (["JOB=1:2", "a.log", "true"], "put JOB into its name"),
        (["a.log"], "a command"),
        (["--max_jobs_run", "0", "a.log", "true"], "--max_jobs_run 0"),
    ],
)
def test_a_wrong_call_is_one_line(tmp_path, arguments, named):
    for script in (RUN, SLURM):
        done = call(script, *arguments, cwd=tmp_path)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1 and named in done.stderr


def test_a_command_that_does_not_exist(tmp_path):
    done = call(RUN, tmp_path / "a.log", "no_such_command_here")
    assert done.returncode == 127
    assert "no_such_command_here: No such file" in done.stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_stopping_the_launcher_stops_its_jobs(tmp_path, how):
    code = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(60)"
    launcher = subprocess.Popen(
        [sys.executable, str(RUN), "a.log", sys.executable, "-c", code],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    pid_file = tmp_path / "pid"
    wait_for(lambda: pid_file.exists() and pid_file.read_text())
    os.kill(launcher.pid, how)
    _, errors = launcher.communicate(timeout=10)
    wait_for(lambda: not alive(int(pid_file.read_text())))
    if how != signal.SIGKILL:
        assert launcher.returncode == 130
        assert "resume" in errors and "Traceback" not in errors


FAKE_SBATCH = """#!/usr/bin/env python3
import os, subprocess, sys
from pathlib import Path
Path("sbatch.args").write_text("\\n".join(sys.argv[1:]))
script = next(i for i, a in enumerate(sys.argv) if a.endswith("slurm_task.sh"))
array = next(a for a in sys.argv if a.startswith("--array="))
first, last = array.split("=")[1].partition("%")[0].split("-")
print("4711", flush=True)
status = 0
for number in range(int(first), int(last) + 1):
    env = {**os.environ, "SLURM_ARRAY_TASK_ID": str(number)}
    status = max(status, subprocess.run(["bash", *sys.argv[script:]], env=env).returncode)
sys.exit(status)
"""


@pytest.fixture
def cluster(tmp_path):
    (tmp_path / "bin").mkdir()
    sbatch = tmp_path / "bin/sbatch"
    sbatch.write_text(FAKE_SBATCH)
    sbatch.chmod(0o755)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/slurm.yaml").write_text(
        "defaults: {partition: cpu, time: 60, extra: [--qos=low]}\n"
        "commands:\n  '*_train': {partition: gpu, gres: 'gpu:a100:{gpu}', time: 2-00:00:00}\n"
        "  flow_train: {account: ours, extra: []}\n"
    )
    return {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}


def test_slurm_takes_the_same_call_as_a_job_array(tmp_path, cluster):
    done = call(SLURM, "--mem", "4G", "--gpu", 2, "--max_jobs_run", 1, "JOB=1:2", "JOB.log",
                "echo", "hello JOB; $(x)", cwd=tmp_path, env=cluster)  # fmt: skip
    assert done.returncode == 0, done.stderr
    sbatch = (tmp_path / "sbatch.args").read_text().splitlines()
    assert sbatch[2:7] == ["--partition=cpu", "--time=60", "--mem=4G", "--gres=gpu:2", "--qos=low"]
    assert {"--export=ALL", "--parsable", "--wait"} < set(sbatch)
    assert "--array=1-2%1" in sbatch
    assert "hello 2; $(x)" in (tmp_path / "2.log").read_text()


def test_slurm_returns_the_status_of_a_failed_job_with_its_tail(tmp_path, cluster):
    code = "import sys; print('this went wrong'); sys.exit(JOB - 1)"
    done = call(SLURM, "JOB=1:3", "JOB.log", sys.executable, "-c", code, cwd=tmp_path, env=cluster)
    assert done.returncode == 1
    assert "this went wrong" in done.stderr and "2.log" in done.stderr
    assert "2 of 3 jobs failed" in done.stderr


def test_slurm_asks_for_what_the_configuration_says_of_a_command(tmp_path, cluster):
    train = ["python", "-m", "espnet2_ext.bin.launch", "espnet2_ext.bin.flow_train"]
    call(SLURM, "--gpu", 4, "--num_nodes", 2, "--time", 5, "a.log", *train,
         cwd=tmp_path, env=cluster)  # fmt: skip
    sbatch = (tmp_path / "sbatch.args").read_text().splitlines()
    assert sbatch[2:7] == ["--partition=gpu", "--account=ours", "--time=5", "--nodes=2",
                           "--gres=gpu:a100:4"]  # fmt: skip
    assert "--qos=low" not in sbatch


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("defaults: {partitoin: x}", "defaults: unknown key partitoin"),
        ("commands: {a: {extra: --x}}", "a: extra: '--x'"),
        ("command: sbatch", "expected the keys defaults and commands"),
        ("a: [", "conf/slurm.yaml:1: not YAML"),
    ],
)
def test_slurm_names_what_is_wrong_in_its_configuration(tmp_path, cluster, text, named):
    (tmp_path / "conf/slurm.yaml").write_text(text)
    done = call(SLURM, "a.log", "true", cwd=tmp_path, env=cluster)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and named in done.stderr


def parse(tmp_path, *arguments):
    script = tmp_path / "script.sh"
    script.write_text(
        "set -euo pipefail\nstage=1\nskip_train=false\ntrain_args=\nhelp_message='the help'\n"
        f". {UTILS}/parse_options.sh\n"
        'echo "${stage}|${skip_train}|${train_args}|$*"\n'
    )
    return subprocess.run(
        ["bash", str(script), *arguments], capture_output=True, text=True, check=False
    )


def test_options_set_the_variables_that_have_defaults(tmp_path):
    done = parse(tmp_path, "--stage", "3", "--skip-train", "true",
                 "--train_args", "--x 1 $(touch bad) 'q'", "rest", "--stage")  # fmt: skip
    assert done.stdout == "3|true|--x 1 $(touch bad) 'q'|rest --stage\n"


def test_the_command_line_wins_over_a_configuration_file(tmp_path):
    (tmp_path / "c.sh").write_text("stage=5\nskip_train=true\n")
    done = parse(tmp_path, "--stage", "9", "--config", str(tmp_path / "c.sh"))
    assert done.stdout == "9|true||\n"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--no_such", "1"], "unknown option --no_such"),
        (["--stage"], "--stage needs a value"),
        (["--skip_train", "maybe"], "expected true or false"),
        (["--stage=3"], "an argument of its own"),
        (["--config", "missing.sh"], "cannot read missing.sh"),
    ],
)
def test_a_wrong_option_is_one_line_and_status_2(tmp_path, arguments, named):
    done = parse(tmp_path, *arguments)
    assert done.returncode == 2 and done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and named in done.stderr


def test_help(tmp_path):
    assert parse(tmp_path, "--help").stdout == "the help\n"
