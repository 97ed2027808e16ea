"""The launchers that every recipe stage goes through."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .recipes import REAL_PYTHON, ROOT

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


def test_only_the_word_job_is_a_number(tmp_path):
    """A path such as /data/JOBS is no place for a number."""
    log = tmp_path / "JOBS" / "my_job" / "a_JOB.JOB.log"
    done = call(RUN, "JOB=1:2", log, "echo", "MYJOB JOBS split2/JOB --shard=JOB x.JOB_y")
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "JOBS/my_job/a_2.2.log").read_text().splitlines()
    assert lines[3] == "MYJOB JOBS split2/2 --shard=2 x.2_y"


def test_shards_are_numbered_by_a_word_that_no_path_holds(tmp_path):
    """Of launchers that put the number wherever the word stands, as Kaldi's do."""
    log = f"{tmp_path}/JOB/JOB_x/logs/shard"
    done = subprocess.run(
        ["bash", "-c", f". {UTILS}/steps.sh; run_module=(echo) inference_gpu=()\n"
         f"launch() {{ printf '%s\\n' \"$@\"; {RUN} \"$@\"; }}; decode_launch=(launch)\n"
         f"on infer --jobs 2 --log {log}.log module {tmp_path}/JOB/in"],
        capture_output=True, text=True, check=True, env={**os.environ, "nj": "1"},
    )  # fmt: skip
    assert done.stdout.splitlines()[:2] == ["JOB__=1:2", f"{log}.JOB__.log"]
    for number in "12":
        lines = (tmp_path / f"JOB/JOB_x/logs/shard.{number}.log").read_text().splitlines()
        shard = f"--shard {number} --num_shards 2"
        assert lines[3] == f"espnet2_ext.bin.module {tmp_path}/JOB/in {shard}"


@pytest.mark.parametrize(("gpu", "jobs", "threads"), [("false", "8", "1"), ("true", "3", "3")])
def test_tokenizing_on_gpus_loads_its_models_no_more_often_than_inference(gpu, jobs, threads):
    options = ["--nj", "8", "--inference_nj", "3", "--gpu_inference", gpu, "--print_paths", "true"]
    recipe = ROOT / "egs2/mini_singing/speechlm1"
    done = subprocess.run([recipe / "run.sh", *options], capture_output=True, text=True,
                          check=True, env={**os.environ, **REAL_PYTHON})  # fmt: skip
    assert f"tokenize_nj={jobs}\n" in done.stdout
    assert f"tokenize_threads={threads}\n" in done.stdout


def test_a_log_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    done = call(RUN, "file/a.log", "true", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "run.py: error: file: File exists\n"
    full = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))}
    done = call(RUN, "a.log", "true", cwd=tmp_path, **full)
    assert done.returncode == 2
    assert done.stderr == "run.py: error: a log: File too large\n"


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


# What a stage's local/data.sh does: a shell that waits for what it started; and one that went far.
STARTS_OTHERS = """
python3 -c 'import os, time; open("child", "w").write(str(os.getpid())); time.sleep(60)' &
setsid setsid python3 -c '
import os, time
open("far", "w").write(str(os.getpid()))
time.sleep(60)' &
wait
"""


@pytest.mark.parametrize("how", ["leader", "group"])
def test_what_a_job_started_dies_with_a_killed_launcher(tmp_path, how):
    (tmp_path / "job.sh").write_text(STARTS_OTHERS)
    script = f"python3 {RUN} log bash job.sh; true"
    shell = subprocess.Popen(["bash", "-c", script], cwd=tmp_path, start_new_session=True)
    pids = [tmp_path / "child", tmp_path / "far"]
    wait_for(lambda: all(path.exists() and path.read_text() for path in pids))
    if how == "leader":
        os.kill(shell.pid, signal.SIGKILL)
    else:
        os.killpg(shell.pid, signal.SIGKILL)
    shell.wait()
    wait_for(lambda: not any(alive(int(path.read_text())) for path in pids), seconds=20)


def test_what_a_job_leaves_behind_ends_with_it(tmp_path):
    (tmp_path / "job.sh").write_text(STARTS_OTHERS.replace("wait\n", "sleep 1\nexit 3\n"))
    done = call(RUN, "log", "bash", "job.sh", cwd=tmp_path)
    assert done.returncode == 3
    assert not any(alive(int((tmp_path / name).read_text())) for name in ("child", "far"))


def test_what_does_not_end_when_told_is_killed(tmp_path, monkeypatch):
    """The guard of a job that ignores TERM, whose caller dies."""
    (tmp_path / "deaf.py").write_text(
        "import os, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "open('deaf', 'w').write(str(os.getpid()))\ntime.sleep(60)\n"
    )
    (tmp_path / "impatient.py").write_text(
        "import guard\nguard.GRACE_SEC = 0.5\nguard.die_with_parent()\n"
        "guard.run(['bash', '-c', 'python3 deaf.py; true'])\n"
    )
    caller = subprocess.Popen(["bash", "-c", "python3 impatient.py; true"], cwd=tmp_path,
                              env={**os.environ, "PYTHONPATH": str(UTILS)})  # fmt: skip
    wait_for(lambda: (tmp_path / "deaf").exists() and (tmp_path / "deaf").read_text())
    caller.kill()
    caller.wait()
    wait_for(lambda: not alive(int((tmp_path / "deaf").read_text())))


SEES = """
import os, time
seen = os.environ["CUDA_VISIBLE_DEVICES"].split(",")
for name in seen:
    os.mkdir(name)
time.sleep(.3)
for name in seen:
    os.rmdir(name)
print("saw", *seen)
"""


@pytest.fixture
def own_tmp(tmp_path, monkeypatch) -> Path:
    """A place of the test's own for what is lent, so that no test waits for another."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    return tmp_path


@pytest.mark.parametrize(("each", "seen"), [(1, {"saw 3", "saw 5", "saw GPU-7"}), (2, {"saw 3 5"})])
def test_every_job_has_gpus_of_its_own(own_tmp, monkeypatch, each, seen):
    """No GPU is seen by two jobs at once: mkdir of the second would fail."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,GPU-7,-1,9")
    (own_tmp / "job.py").write_text(SEES)
    job = [sys.executable, "job.py"]
    done = call(RUN, "--gpu", each, "--max_jobs_run", 4, "JOB=1:4", "JOB.log", *job, cwd=own_tmp)
    assert done.returncode == 0, done.stderr
    logs = [(own_tmp / f"{n}.log").read_text().splitlines() for n in range(1, 5)]
    assert {log[3] for log in logs} == seen
    assert all(log[1].endswith(f" on GPU {','.join(log[3].split()[1:])}") for log in logs)


def test_launchers_side_by_side_share_the_gpus(own_tmp, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    command = [sys.executable, RUN, "--gpu", "1", "JOB=1:2"]
    launchers = [
        subprocess.Popen([*command, f"{k}.JOB.log", sys.executable, "-c", SEES],
                         cwd=own_tmp, stderr=subprocess.PIPE, text=True)
        for k in range(3)
    ]  # fmt: skip
    said = [launcher.communicate(timeout=60)[1] for launcher in launchers]
    assert [launcher.returncode for launcher in launchers] == [0, 0, 0], said
    assert any("waiting for 1 of 2 GPUs" in text and "GPU 0: process " in text for text in said)
    # Whoever was killed holds nothing.
    assert call(RUN, "--gpu", 2, "a.log", "true", cwd=own_tmp).returncode == 0


def test_without_enough_gpus_one_line_says_so(own_tmp, monkeypatch):
    for visible, count in (("", 0), ("-1", 0), ("0", 1)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        done = call(RUN, "--gpu", 2, "a.log", "true", cwd=own_tmp)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
        assert f"--gpu 2: {count} GPUs here" in done.stderr
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("PATH", str(own_tmp))  # no nvidia-smi
    assert "0 GPUs here" in call(RUN, "--gpu", 1, "a.log", "true", cwd=own_tmp).stderr
    assert call(RUN, "--gpu", 0, "a.log", sys.executable, "-c", "", cwd=own_tmp).returncode == 0


def test_the_gpus_of_a_machine_are_what_nvidia_smi_lists(own_tmp, monkeypatch):
    """Whole ones by number; of a divided one its parts, for it cannot be used whole."""
    smi = own_tmp / "nvidia-smi"
    smi.write_text(
        "#!/bin/sh\ncat << 'EOF'\nGPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6)\n"
        "  MIG 3g.20gb     Device  0: (UUID: MIG-c7384736)\n"
        "  MIG 3g.20gb     Device  1: (UUID: MIG-a28ad590)\n"
        "GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-4cf8db2d)\nEOF\n"
    )
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{own_tmp}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    done = call(RUN, "--gpu", 3, "a.log", sys.executable, "-c", SEES, cwd=own_tmp)
    assert done.returncode == 0, done.stderr
    assert "saw MIG-c7384736 MIG-a28ad590 1\n" in (own_tmp / "a.log").read_text()


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
