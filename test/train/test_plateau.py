"""A rate that falls when dev stands still, and the record of a training that ended so."""

import json
from types import SimpleNamespace

import pytest
import torch
from espnet2.schedulers.abs_scheduler import AbsBatchStepScheduler, AbsValEpochStepScheduler

from espnet2_ext.train.plateau import WarmupPlateauLR
from espnet2_ext.train.training_record import recorded


def scheduler(**options):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    return optimizer, WarmupPlateauLR(optimizer, **options)


def rate(optimizer):
    return optimizer.param_groups[0]["lr"]


def test_espnets_trainer_steps_it_after_batches_and_after_epochs():
    _, plateau = scheduler()
    assert isinstance(plateau, AbsBatchStepScheduler)
    assert isinstance(plateau, AbsValEpochStepScheduler)


def test_the_rate_warms_up_holds_and_falls_with_every_epoch_that_is_no_better():
    optimizer, plateau = scheduler(warmup_steps=4, factor=0.5, threshold=0.1, min_lr=0.2)
    rates = [rate(optimizer)]
    for _ in range(5):
        plateau.step()
        rates.append(rate(optimizer))
    assert rates == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    for dev, expected in ((5.0, 1.0), (4.0, 1.0), (3.9, 0.5), (3.5, 0.5), (3.5, 0.25), (9, 0.0)):
        plateau.step(dev)
        plateau.step()  # a batch changes nothing after the warmup
        assert rate(optimizer) == pytest.approx(expected)


def test_a_resumed_training_goes_on_with_the_rate_it_had():
    optimizer, plateau = scheduler(warmup_steps=2, factor=0.5)
    plateau.step()
    for dev in (1.0, 1.0):
        plateau.step(dev)
    again, resumed = scheduler(warmup_steps=2, factor=0.5)
    again.load_state_dict(optimizer.state_dict())
    resumed.load_state_dict(plateau.state_dict())
    for each in (plateau, resumed):
        each.step()
        each.step(1.0)
    assert rate(again) == rate(optimizer) == 0.25


@pytest.mark.parametrize(
    ("reached", "resumed", "ended"), [(3, False, "plateau"), (9, True, "max_epoch")]
)
def test_a_training_leaves_what_it_cost(tmp_path, reached, resumed, ended):
    if resumed:
        (tmp_path / "checkpoint.pth").touch()
    model = torch.nn.Linear(3, 2)
    model.bias.requires_grad_(False)
    options = SimpleNamespace(output_dir=tmp_path, max_epoch=9, seed=4)
    with recorded(model, options):
        (tmp_path / "latest.pth").symlink_to(f"{reached}epoch.pth")
    record = json.loads((tmp_path / "training.json").read_text())
    assert record["parameters"] == 6 and record["epochs"] == reached and record["seed"] == 4
    assert record["ended"] == ended
    assert (record["cpu_sec"] is None) == resumed == (record["wall_sec"] is None)
