"""How many jobs, threads or shards a machine gives to a step does not reach its result."""

import os
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from espnet2_ext.judges.fitting import EmbedderFitConfig, FitConfig, fit_embedder, fit_recognizer
from espnet2_ext.judges.network import N_MELS, TrunkConfig
from espnet2_ext.judges.recording import Recording, Span
from espnet2_ext.judges.singer_embedder import EmbedderConfig
from espnet2_ext.one_thread import map_each, one_thread

TEMPLATE = Path(__file__).parents[1] / "egs2/TEMPLATE"
TRUNK = TrunkConfig(channels=32, n_blocks=2, kernel=5, dropout=0.0)


@pytest.fixture(params=[1, 2, 3])
def threads(request):
    """So many threads outside; restored."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def recordings() -> list[Recording]:
    rng = np.random.default_rng(0)
    made = []
    for k in range(16):
        mel = torch.from_numpy(rng.standard_normal((200, N_MELS)).astype(np.float32))
        spans = tuple(Span(50 * i, 50 * (i + 1), "ab"[i % 2]) for i in range(4))
        made.append(Recording(mel, ("a", "b", "a", "b"), spans, f"singer{k % 2}"))
    return made


def test_inside_there_is_one_thread_and_outside_what_there_was(threads):
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == threads

    @one_thread()
    def fails() -> None:
        assert torch.get_num_threads() == 1
        raise ValueError

    with pytest.raises(ValueError):
        fails()
    assert torch.get_num_threads() == threads


def test_jobs_have_one_thread_each_and_keep_the_order(threads):
    barrier = threading.Barrier(2, timeout=30)

    def job(k: int) -> tuple[int, int]:
        barrier.wait()  # passes only when two run at a time
        return k, torch.get_num_threads()

    assert map_each(job, range(4), nj=2) == [(k, 1) for k in range(4)]
    assert torch.get_num_threads() == threads


_seen: dict[str, set[bytes]] = {}


def same_as_with_other_threads(name: str, state: dict[str, torch.Tensor]) -> None:
    _seen.setdefault(name, set()).add(b"".join(v.numpy().tobytes() for v in state.values()))
    assert len(_seen[name]) == 1


def test_judges_are_the_same_bits_for_any_number_of_threads(threads):
    config = FitConfig(steps=12, batch_sec=20, trunk=TRUNK)
    recognizer = fit_recognizer(recordings(), config)
    same_as_with_other_threads("recognizer", recognizer.network.state_dict())
    embedder = fit_embedder(
        recordings(), EmbedderFitConfig(steps=6), EmbedderConfig(dim=16, trunk=TRUNK)
    )
    same_as_with_other_threads("embedder", embedder.network.state_dict())


@pytest.mark.parametrize("task", ["speechlm1", "svs1", "svs2"])
def test_a_recipe_runs_on_one_thread_whatever_the_shell_had_set(task):
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    done = subprocess.run(
        ["bash", "-c", f". ./path.sh; echo {' '.join(f'${name}' for name in names)}"],
        cwd=TEMPLATE / task, env={**os.environ, **dict.fromkeys(names, "7")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["1", "1", "1"]
