"""An interpreter that has imported the slow packages already, for recipes that tests run whole.

A debug recipe starts about 50 processes, and nearly all of its time is their imports of torch,
ESPnet and transformers. Here one process imports them once; it forks a worker for each command
line of ours (``python3 -m espnet2_ext.bin...``), which imports our own code afresh, with the
folder, arguments, environment and open files of the process that asked for it. Everything else
that a recipe starts goes to the real interpreter.

A worker ends with the process that asked for it, however that ends: it is told to (TERM), and
killed after a while. Tests about processes, their parents and their signals use the real one.

    warm_python.py serve SOCKET        the process that has imported everything
    warm_python.py ask SOCKET WORD...  have ``python3 WORD...`` run
"""

import array
import atexit
import functools
import json
import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PACKAGES = (
    "torch", "torchaudio", "librosa.core.audio", "soundfile", "soxr", "kaldiio", "pyworld",
    "pypinyin", "mido",
    "scipy.signal", "scipy.interpolate", "scipy.ndimage", "scipy.sparse.csgraph",
    "scipy.spatial.distance", "scipy.stats",
    "espnet2.train.trainer", "espnet2.tasks.abs_task", "espnet2.gan_tts.hifigan.loss",
    "espnet2.main_funcs.pack_funcs",
    "transformers.models.qwen3", "transformers.models.llama.modeling_llama", "deepspeed",
    "torch.distributed.launcher", "torchdiffeq", "huggingface_hub", "safetensors.torch",
    "swift_f0", "matplotlib.pyplot", "matplotlib.backends.backend_agg", "jinja2",
)  # fmt: skip
GRACE_SEC = 10.0
MAX_BYTES = 1 << 20
_SHIM = """#!/bin/bash
case "$1 $2" in
  "-m espnet2_ext.bin."*) exec "{python}" -I -S "{here}" ask "{socket}" "$@" ;;
  *) exec "{python}" "$@" ;;
esac
"""


@functools.cache
def environment() -> dict[str, str]:
    """What a recipe is started with so that its ``python3`` is the warm one.

    On machines with a GPU that is the real one: what a parent knows of a GPU is no use to a fork.
    """
    import torch

    real = {"ESPNET2_EXT_VENV": sys.prefix} if sys.prefix != sys.base_prefix else {}
    if torch.cuda.is_available():
        return real
    folder = Path(tempfile.mkdtemp(prefix="warm_python"))
    names = {"python": sys.executable, "here": __file__, "socket": folder / "socket"}
    (folder / "bin").mkdir()
    for name in ("python", "python3"):
        (folder / "bin" / name).write_text(_SHIM.format(**names))
        (folder / "bin" / name).chmod(0o755)
    path = f"{folder}/bin:{Path(sys.executable).parent}"
    (folder / "bin/activate").write_text(f'export PATH={shlex.quote(path)}:"${{PATH}}"\n')
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.Popen(
        [sys.executable, __file__, "serve", names["socket"]],
        env={**clean, "OMP_NUM_THREADS": "1", "DS_ACCELERATOR": "cpu"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    atexit.register(shutil.rmtree, folder)
    return {"ESPNET2_EXT_VENV": str(folder)}


def serve(path: str) -> None:
    """Import, say so by listening at `path`, and fork for whoever asks, until our parent ends."""
    import gc
    import importlib

    for name in PACKAGES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a worker's collections pass over none of this, and so copy none of it
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen(64)
        parent = os.getppid()
        while os.getppid() == parent:
            if not select.select([server], [], [], 1.0)[0]:
                continue
            asker, _ = server.accept()
            if not os.fork():
                server.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                lead(asker)
            asker.close()


def lead(asker: socket.socket) -> None:
    """Start the worker that `asker` wants, tell it the status, or end the worker with it."""
    data, rights, _, _ = asker.recvmsg(MAX_BYTES, socket.CMSG_SPACE(4 * 250))
    files = array.array("i")
    for _, _, right in rights:
        files.frombytes(right)
    while not data.endswith(b"\n"):
        data += asker.recv(MAX_BYTES)
    wanted = json.loads(data)
    worker = os.fork()
    if not worker:
        asker.close()
        work(wanted, list(files))
    for file in files:
        os.close(file)
    deadline = None
    while True:
        pid, status = os.waitpid(worker, os.WNOHANG)
        if pid:
            os.set_blocking(asker.fileno(), True)
            try:
                asker.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
            finally:
                os._exit(0)
        if deadline is None and select.select([asker], [], [], 0.02)[0]:
            if word := asker.recv(16):
                os.kill(worker, int(word))
            else:
                _tell(worker, signal.SIGTERM)
                deadline = time.monotonic() + GRACE_SEC
        elif deadline is not None:
            time.sleep(0.02)
            if time.monotonic() > deadline:
                _tell(worker, signal.SIGKILL)


def _tell(worker: int, number: int) -> None:
    """Send a signal to the worker and to what it started."""
    try:
        os.killpg(worker, number)
    except ProcessLookupError:  # it has not come so far as to lead a group
        os.kill(worker, number)


def work(wanted: dict, files: list[int]) -> None:
    """Be the process that was asked for."""
    import random
    import runpy

    import numpy as np
    import torch

    os.setsid()
    high = [_high(file) for file in files]
    for file, number in zip(high, wanted["files"], strict=True):
        os.dup2(file, number)
        os.set_inheritable(number, True)
    for file in high:
        os.close(file)
    os.environ.clear()
    os.environ.update(wanted["environment"])
    os.chdir(wanted["folder"])
    sys.executable = wanted["executable"]
    module, *arguments = wanted["words"][1:]
    own = os.environ.get("PYTHONPATH", "")
    sys.path[:0] = [wanted["folder"], *filter(None, own.split(":"))]
    sys.argv = [module, *arguments]
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    random.seed()
    np.random.seed()
    torch.seed()
    status = 1
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        _end(status)


def _end(status: int) -> None:
    """What an interpreter does when it ends, as far as a worker needs it."""
    import atexit
    import threading

    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _high(file: int) -> int:
    """The file under a number that no process of a recipe uses."""
    import fcntl

    number = fcntl.fcntl(file, fcntl.F_DUPFD, 500)
    os.close(file)
    return number


def ask(path: str, words: list[str]) -> int:
    """Have the server run ``python3 WORD...`` as if it were this process; returns its status."""
    numbers = [int(n) for n in os.listdir("/proc/self/fd")]
    with socket.socket(socket.AF_UNIX) as server:
        while not os.path.exists(path):  # it is still importing
            time.sleep(0.05)
        server.connect(path)
        numbers = [n for n in numbers if n != server.fileno() and _is_open(n)]
        wanted = {
            "folder": os.getcwd(),
            "environment": dict(os.environ),
            "words": words,
            "files": numbers,
            "executable": os.path.join(os.path.dirname(path), "bin", "python3"),
        }
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", numbers))]
        data = json.dumps(wanted).encode() + b"\n"
        sent = server.sendmsg([data], rights)
        server.sendall(data[sent:])
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda n, _: server.sendall(str(int(n)).encode()))
        status = int(server.makefile().readline() or 1)
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        del sys.path[0]  # the folder of this file
        serve(sys.argv[2])
    else:
        sys.exit(ask(sys.argv[2], sys.argv[3:]))
