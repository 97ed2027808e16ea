"""Accumulated gradients: what a killed training had summed up is neither lost nor counted twice."""

import pytest
import torch

from .conftest import history, train_command
from .test_zero_trainer import run, run_until, weights

pytestmark = pytest.mark.slow

CASES = [  # accum_grad, checkpoint_interval, batches of an epoch, batches until the kill
    (2, 2, 6, 9),
    (2, 3, 6, 11),
    (2, 2, 5, 4),
    (2, 2, 5, 8),
    (3, 2, 7, 12),
    (4, 1, 6, 11),
]


@pytest.mark.parametrize(("accum", "interval", "batches", "kill"), CASES)
def test_a_training_that_accumulates_resumes_to_the_same_weights(
    corpus, tmp_path, monkeypatch, accum, interval, batches, kill
):
    def command(name):
        return train_command(
            corpus, tmp_path / name, accum_grad=accum, checkpoint_interval=interval,
            num_iters_per_epoch=batches,
        )  # fmt: skip

    run(command("whole"))
    run_until(command("killed"), kill, monkeypatch)
    (state,) = (tmp_path / "killed" / "resume").glob("step_*")
    steps, epoch, done = state.name.removeprefix("step_").split("_")
    within = kill - batches * (int(epoch) - 1)
    assert done != "end" and within - interval - accum <= int(done) < within
    assert int(done) % accum == 0
    assert int(steps) == (int(epoch) - 1) * -(-batches // accum) + int(done) // accum
    run(command("killed"))
    resumed = weights(tmp_path / "killed" / "2epoch.pth")
    for name, tensor in weights(tmp_path / "whole" / "2epoch.pth").items():
        assert torch.equal(tensor, resumed[name]), name
    one, other = (history(tmp_path / name)[1]["train"] for name in ("whole", "killed"))
    assert one["loss"] == pytest.approx(other["loss"], rel=1e-6)
    assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-6)


def test_the_last_step_of_an_epoch_has_the_mean_of_the_batches_that_are_left(corpus, tmp_path):
    """One batch where three make a step: the gradient is that batch's, not a third of it."""
    norms = []
    for accum in (1, 3):
        output = tmp_path / str(accum)
        run(train_command(corpus, output, accum_grad=accum, num_iters_per_epoch=1, max_epoch=1))
        norms.append(history(output)[0]["train"]["grad_norm"])
    assert norms[0] == pytest.approx(norms[1], rel=1e-5)


def test_a_schedule_has_as_many_steps_as_the_training(corpus, tmp_path):
    """Two steps for five batches of three, in each of four epochs."""
    output = tmp_path / "exp"
    conf = {"lr": 1e-2, "warmup_num_steps": 1, "total_num_steps": "auto", "cos_min_ratio": 0.01}
    run(train_command(corpus, output, accum_grad=3, num_iters_per_epoch=5, max_epoch=4,
                      deepspeed_conf=conf))  # fmt: skip
    (state,) = (output / "resume").glob("step_*")
    assert int(state.name.split("_")[1]) == 8
    rates = [epoch["train"]["learning_rate"] for epoch in history(output)]
    assert rates[-1] < 0.1 * rates[0]
