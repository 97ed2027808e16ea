"""The training benchmark's parts: the work it compares is the same work."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
training = pytest.importorskip("training")


@pytest.fixture(scope="module")
def args():
    return training.argparse.Namespace(exp=None, size="tiny", device="cpu", frames=None)


def test_samplers_fill_batches_alike():
    lengths = training.corpus_lengths("wide")
    assert 4.6 < np.mean(lengths) / training.FPS < 5.4 and max(lengths) <= 15 * training.FPS
    for sampler in ("pack", "unsorted", "numel"):
        batches = training.draw_batches(sampler, lengths, 5, 1600, 4)
        real = np.mean([sum(lengths[int(utt)] for utt in batch) for batch in batches])
        assert len(batches) == 4 and real == pytest.approx(1600, rel=0.3)


def test_chunks_and_the_peer_score_the_same_positions(args):
    model = training.load(args)
    lengths = [30, 20]
    x = training.LossInputs.of(model, training.make_batch(model, ["0", "1"], lengths, "cpu"))
    gradients = []
    for chunk in (0, 7):
        training.target_loss(model, x, chunk)
        gradients.append(x.hidden.grad)
        x.hidden.grad = None
    torch.testing.assert_close(*gradients)
    training.full_vocabulary_loss(model, x)
    # positions that predict nothing get no gradient from either
    assert torch.equal(x.hidden.grad.any(-1), gradients[0].any(-1))


def test_peak_bytes_are_those_alive_at_once():
    def run():
        for _ in range(3):
            x = torch.zeros(256, 1024)  # 1 MiB
            y = x + 1
            del x, y

    assert training.peak_mib(run, "cpu") == pytest.approx(2.0, rel=0.01)


def test_rows_cover_packing_loss_and_checkpointing(args):
    model = training.load(args)
    rows = list(training.packing_rows(model, 400, 1, 1, "cpu"))
    rows += training.loss_rows(model, 200, 64, 1, "cpu")
    rows += training.checkpointing_rows(lambda c: training.load(args, c), 200, 1, "cpu")
    assert len(rows) == 4 + 4 + 2 and all(row.ratio > 0 for row in rows)
    memory = [row for row in rows if row.unit == "MiB"]
    assert all(row.ratio > 1 for row in memory[1:])  # against all tokens, and checkpointing
