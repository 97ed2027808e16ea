"""Training under DeepSpeed, on a CPU, with one process and with two."""

import shutil

import pytest
import torch

from espnet2_ext.errors import UserError
from espnet2_ext.tasks.speechlm import SpeechLMTask
from espnet2_ext.train import zero_trainer

from .conftest import CONFIG, history, train_command

pytestmark = pytest.mark.slow


class Killed(Exception):
    """Stands for a kill signal."""


def run(command: list[str]) -> None:
    SpeechLMTask.main(cmd=command)


def run_until(command: list[str], steps: int, monkeypatch) -> None:
    """Train, and die when `steps` batches have been done."""
    done = 0
    advance = zero_trainer._Bar.advance

    def die(bar, loss):
        nonlocal done
        done += 1
        if done == steps:
            raise Killed
        advance(bar, loss)

    with monkeypatch.context() as patch:
        patch.setattr(zero_trainer._Bar, "advance", die)
        with pytest.raises(Killed):
            run(command)


def weights(path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)


@pytest.fixture(scope="module")
def whole(corpus, tmp_path_factory):
    """An uninterrupted training of two epochs."""
    output = tmp_path_factory.mktemp("whole") / "exp"
    run(train_command(corpus, output))
    return output


def test_a_training_leaves_plain_weights(whole):
    names = {p.name for p in whole.iterdir()}
    assert {"1epoch.pth", "2epoch.pth", "valid.loss.best.pth", "valid.loss.ave.pth"} <= names
    assert {"config.yaml", "history.json", "latest.pth", "resume"} <= names
    assert len(list((whole / "resume").iterdir())) == 1
    assert set(weights(whole / "valid.loss.ave.pth")) == set(weights(whole / "latest.pth"))
    losses = [epoch["train"]["loss"] for epoch in history(whole)]
    assert losses[1] < losses[0]


@pytest.mark.parametrize("steps", [3, 5, 7, 9])
def test_a_killed_training_resumes_to_the_same_weights(corpus, whole, steps, tmp_path, monkeypatch):
    command = train_command(corpus, tmp_path / "exp")
    run_until(command, steps, monkeypatch)
    half = tmp_path / "exp" / "resume" / ".part-step_000000099_9_9"
    half.mkdir(parents=True)  # a state that was being written
    run(command)
    resumed = weights(tmp_path / "exp" / "2epoch.pth")
    for name, tensor in weights(whole / "2epoch.pth").items():
        assert torch.equal(tensor, resumed[name]), name
    for one, other in zip(history(whole), history(tmp_path / "exp"), strict=True):
        assert one["train"]["loss"] == pytest.approx(other["train"]["loss"], rel=1e-6)
        assert one["train"]["total_count"] == other["train"]["total_count"]


def test_a_finished_training_has_nothing_to_do(corpus, whole):
    before = (whole / "2epoch.pth").stat().st_mtime_ns
    run(train_command(corpus, whole))
    assert (whole / "2epoch.pth").stat().st_mtime_ns == before


def test_only_the_best_and_the_latest_are_kept(corpus, tmp_path):
    output = tmp_path / "exp"
    run(train_command(corpus, output, max_epoch=4, keep_nbest_models=1))
    numbers = {int(p.name.removesuffix("epoch.pth")) for p in output.glob("*epoch.pth")}
    best = min(history(output), key=lambda epoch: epoch["valid"]["loss"])["epoch"]
    assert numbers == {best, 4}
    assert weights(output / "valid.loss.best.pth").keys() == weights(output / "4epoch.pth").keys()


def test_a_state_of_other_processes_is_refused(corpus, whole, tmp_path):
    shutil.copytree(whole, tmp_path / "exp")
    (meta,) = (tmp_path / "exp" / "resume").glob("*/meta.json")
    meta.write_text('{"world_size": 2}')
    with pytest.raises(UserError, match="a state of 2 processes"):
        run(train_command(corpus, tmp_path / "exp"))


def test_two_processes_have_the_loss_curve_of_one(corpus, two_ranks, tmp_path):
    """Of one with double the batch: each of the two trains on half of it."""
    conf = {
        "max_epoch": 4,
        "corelm_conf": {**CONFIG["corelm_conf"], "dropout": 0.0},
        "score_encoder_conf": {**CONFIG["score_encoder_conf"], "dropout": 0.0},
        "prompt_encoder_conf": {"channels": 8, "dropout": 0.0},
        "model_conf": {"conditioning": "synchronous", "max_prompt_frames": 99},
        "batch_size": 4,
        "checkpoint_interval": 0,
    }
    run(train_command(corpus, tmp_path / "one", **conf))
    two_ranks(
        "espnet2_ext.tasks.speechlm:SpeechLMTask", *train_command(corpus, tmp_path / "two", **conf)
    )
    one, two = history(tmp_path / "one"), history(tmp_path / "two")
    assert one[0]["train"]["loss"] > 1.01 * one[-1]["train"]["loss"]  # there is a curve
    for alone, shared in zip(one, two, strict=True):
        for phase, key in (("train", "loss"), ("train", "grad_norm"), ("valid", "loss")):
            assert alone[phase][key] == pytest.approx(shared[phase][key], rel=1e-4), key
    # Each parameter moves as far, the head's too, whose gradients others lose (espnet issue 6503).
    alone, shared = (weights(tmp_path / name / "latest.pth") for name in ("one", "two"))
    earlier = weights(tmp_path / "one" / "3epoch.pth")
    for name, value in alone.items():
        moved = (value - earlier[name]).abs().max()
        assert (value - shared[name]).abs().max() < 1e-4 * moved + 1e-5, name
        assert moved > 5e-3 or name in ("prompt_encoder.nobody", "prompt_encoder.score.bias"), name


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"corelm_config": {}}, "corelm_config"),
        ({"optim": "adam"}, "optim"),
        ({"deepspeed_conf": {"learning_rate": 1}}, "learning_rate"),
        ({"score_encoder_conf": {"chanels": 1}}, "chanels"),
    ],
)
def test_an_unknown_key_is_one_line(corpus, tmp_path, changes, found):
    with pytest.raises(UserError, match=found):
        run(train_command(corpus, tmp_path / "exp", **changes))
