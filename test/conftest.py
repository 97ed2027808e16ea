"""Every test is seeded; tests marked `gpu` skip, and say so, without a CUDA device."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

# Tests start hundreds of processes, and in most of them imports are what takes time: where the
# environment forbids bytecode (container images do), each would compile all of torch and ESPnet.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# The same examples each time, and no time limit: machines are busy.
settings.register_profile("suite", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def seeded() -> None:
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Command lines forbid their process to unpickle: a test that calls one forbids no other."""
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "0")
    monkeypatch.delenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD")


@pytest.fixture
def real_singing() -> Path:
    """Folder of real recordings with labels, which `REAL_SINGING` names; no part of the project."""
    beside = Path(__file__).parents[2] / "shared" / "realsing"
    folder = Path(os.environ.get("REAL_SINGING", beside))
    if not folder.is_dir():
        pytest.skip("no recordings of real singing: REAL_SINGING=FOLDER names them")
    return folder


# Files that take longest come first, so that no process is left alone with one of them.
LONGEST = [f"test_{name}.py" for name in ("recipe", "odd_corpora", "add_a_corpus", "corpora")]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONGEST)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("no CUDA device on this machine")


# What the launcher's agent does, but with one import of the slow packages for both processes. Each
# prints a digest of the weights that it ends with.
TWO_RANKS = """
import hashlib, importlib, multiprocessing, os, socket, sys
os.environ["DS_ACCELERATOR"] = "cpu"
import torch
from torch.nn.parallel import DistributedDataParallel as DDP
module, name = sys.argv[1].split(":")
task = getattr(importlib.import_module(module), name)
with socket.socket() as s:
    s.bind(("127.0.0.1", 0))
    port = str(s.getsockname()[1])
models = []
init = DDP.__init__
def remember(self, model, **options):
    models.append(model)
    init(self, model, **options)
DDP.__init__ = remember
def rank(r):
    os.environ.update(RANK=str(r), LOCAL_RANK=str(r), WORLD_SIZE="2",
                      MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
    task.main(cmd=sys.argv[2:])
    for model in models:
        digest = hashlib.sha256()
        for value in model.parameters():
            digest.update(value.detach().numpy().tobytes())
        print("weights", digest.hexdigest(), flush=True)
ranks = [multiprocessing.get_context("fork").Process(target=rank, args=(r,)) for r in range(2)]
[r.start() for r in ranks]
[r.join() for r in ranks]
sys.exit(sum(abs(r.exitcode) for r in ranks))
"""


@pytest.fixture(scope="session")
def two_ranks() -> Callable[..., list[str]]:
    """Run ``module:Task`` with arguments as two processes over gloo; returns what they printed."""

    def run(task: str, *command: object) -> list[str]:
        options = ["--multiprocessing_distributed", "false", "--dist_backend", "gloo"]
        done = subprocess.run(
            [sys.executable, "-c", TWO_RANKS, task, *map(str, command), *options],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]),
                 "OMP_NUM_THREADS": "1"},
            capture_output=True, text=True, timeout=900, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout.splitlines()

    return run
