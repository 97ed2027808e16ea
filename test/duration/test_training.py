import os
import random
from pathlib import Path

import pytest
import torch
import yaml

from espnet2_ext.bin import infer
from espnet2_ext.bin import train as train_cli
from espnet2_ext.checkpoint import load_state
from espnet2_ext.duration.net import DurationNet
from espnet2_ext.score.formats.espnet_format import Entry, read_scores, write_data_dir
from espnet2_ext.score.music_score import MusicScore, Note, Phone

INITIAL_SEC = {"w": 0.05, "sh": 0.12}


def sing(n_notes, rng):
    """Initials have their own lengths and lead the beat by all of it."""
    notes = [Note(0, 0.5, 0, "", ("SP",))]
    phones = []
    end = 0.5
    for index in range(1, n_notes):
        start, end = end, end + rng.choice([0.3, 0.5])
        initial = rng.choice(["w", "sh"])
        notes.append(Note(start, end, 60, "", (initial, "a")))
        before = start - INITIAL_SEC[initial]
        phones.append((before, initial, index))
        phones.append((start, "a", index))
    starts = [(0.0, "SP", 0), *phones]
    ends = [s for s, _, _ in starts[1:]] + [end]
    performed = [Phone(s, e, p, n) for (s, p, n), e in zip(starts, ends, strict=True)]
    return MusicScore(tuple(notes), tuple(performed))


@pytest.fixture
def data(tmp_path):
    rng = random.Random(0)
    for name, n in (("train", 16), ("dev", 4)):
        entries = [Entry(f"u{i:02}", f"u{i}.wav", "anna", sing(8, rng)) for i in range(n)]
        write_data_dir(tmp_path / name, entries, license_text="CC0")
    return tmp_path


def run(main, *argv):
    with pytest.raises(SystemExit) as status:
        main([str(a) for a in argv])
    return status.value.code


def test_train_then_infer(data, capsys):
    config = data / "train.yaml"
    config.write_text(
        "model_conf: {channels: 32}\nbatch_type: unsorted\nbatch_size: 4\nmax_epoch: 6\n"
        "optim: adam\noptim_conf: {lr: 0.01}\nuse_tensorboard: false\nuse_matplotlib: false\n"
        "num_workers: 0\nkeep_nbest_models: 2\nbest_model_criterion: [[valid, loss, min]]\n"
    )
    sets = ("--train_dir", data / "train", "--valid_dir", data / "dev")
    exp = data / "exp"
    assert run(train_cli.main, "duration", "--config", config, *sets, "--output_dir", exp) == 0
    out = data / "out"
    model = ("--config", exp / "config.yaml", "--checkpoint", exp / "valid.loss.best.pth")
    dirs = ("--data_dir", data / "dev", "--output_dir", out)
    assert run(infer.main, "duration", *model, *dirs) == 0
    label, timed = read_scores(data / "dev"), read_scores(out)
    assert (out / "LICENSE.txt").read_text() == "CC0"
    errors = [
        abs(a.start_sec - b.start_sec)
        for utt in label
        for a, b in zip(timed[utt].phones, label[utt].phones, strict=True)
    ]
    assert max(errors) < 0.03, "a rule this simple is learned"
    assert run(infer.main, "duration", *model, *dirs[:3], data / "dev") == 2
    assert "the data directory itself" in capsys.readouterr().err


def train(data, exp, **changes):
    """Train with dropout; `changes` of the configuration."""
    config = data / f"{exp}.yaml"
    config.write_text(yaml.safe_dump({
        "model_conf": {"channels": 8, "dropout": 0.3}, "batch_type": "unsorted", "batch_size": 4,
        "optim": "adam", "optim_conf": {"lr": 0.01}, "keep_nbest_models": 9, "num_workers": 0,
        "use_tensorboard": False, "use_matplotlib": False, "resume": True, **changes,
    }))  # fmt: skip
    sets = ("--train_dir", data / "train", "--valid_dir", data / "dev")
    assert (
        run(train_cli.main, "duration", "--config", config, *sets, "--output_dir", data / exp) == 0
    )
    return sorted(p.name for p in (data / exp).glob("*epoch.pth"))


def test_a_resumed_training_ends_with_the_same_weights(data):
    """Dropout is drawn anew each epoch; gradients of a last batch wait for no other epoch."""
    options = {"accum_grad": 3, "num_iters_per_epoch": 4}
    train(data, "straight", max_epoch=2, **options)
    for n in (1, 2):
        train(data, "resumed", max_epoch=n, **options)
    straight, resumed = (load_state(data / n / "2epoch.pth") for n in ("straight", "resumed"))
    assert all(torch.equal(resumed[key], value) for key, value in straight.items())


def test_a_training_that_patience_ended_does_not_train_on(data):
    """Its loss never changes: the first epoch stays the best."""
    still = {"optim": "sgd", "optim_conf": {"lr": 0.0}, "max_epoch": 9}
    for _ in range(2):
        assert train(data, "exp", patience=1, **still) == ["1epoch.pth", "2epoch.pth", "3epoch.pth"]
    assert (data / "exp/valid.loss.ave.pth").exists()
    assert len(train(data, "exp", patience=2, **still)) == 4  # asked for more


class Killed(BaseException):
    """Nobody catches it, as nobody catches the system's."""


def left(exp):
    """The files of weights in a training's folder, and what its links name."""
    return {
        path.name: os.readlink(path) if path.is_symlink() else path.read_bytes()
        for path in exp.glob("*.pth")
        if path.name != "checkpoint.pth"  # knows the time that each epoch took
    }


@pytest.mark.parametrize("write", range(5, 11))
def test_killed_in_the_end_of_an_epoch_it_ends_with_the_same_files(data, monkeypatch, write):
    """In each write of the last epoch; its state was half a file, or weights and links missing."""
    options = {
        "max_epoch": 2,
        "keep_nbest_models": 2,
        "best_model_criterion": [["valid", "loss", "min"]],
    }
    train(data, "whole", **options)
    writes = 0

    def write_or_die(half, whole):
        nonlocal writes
        writes += 1
        if writes == write:
            half()
            raise Killed
        whole()

    def save(value, file, original=torch.save):
        half = file.write_bytes if isinstance(file, Path) else file.write
        write_or_die(lambda: half(b"half"), lambda: original(value, file))

    def symlink_to(self, target, original=Path.symlink_to):
        write_or_die(lambda: None, lambda: original(self, target))

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(torch, "save", save)
        patched.setattr(Path, "symlink_to", symlink_to)
        train(data, "killed", **options)
    train(data, "killed", **options)
    whole = left(data / "whole")
    assert left(data / "killed") == whole and "valid.loss.best.pth" in whole


@pytest.mark.parametrize("path", sorted(Path("egs2").glob("*/*/conf/**/train_duration*.yaml")))
def test_shipped_configurations_build(path):
    from espnet2_ext.tasks.duration import DurationTask

    args = DurationTask.get_parser().parse_args(["--config", str(path), "--output_dir", "none"])
    assert DurationTask.build_model(args).net.head.out_features == 2


def test_mistakes_end_in_one_line(data, capsys):
    unknown = data / "unknown.yaml"
    unknown.write_text("max_epok: 3\n")
    both = ("--train_dir", data / "train", "--valid_dir", data / "dev", "--config", unknown)
    assert run(train_cli.main, "duration", *both, "--output_dir", data / "exp") == 2
    assert "max_epok" in capsys.readouterr().err.strip().splitlines()[-1]
    sets = ("--train_dir", data / "train", "--valid_dir", data / "none")
    assert run(train_cli.main, "duration", *sets, "--output_dir", data / "exp") == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len([line for line in lines if line.startswith("error:")]) == 1
    assert "none/label" in lines[-1]


def test_gradients_reach_every_parameter():
    torch.manual_seed(0)
    net = DurationNet(5, channels=8)
    notes = torch.rand(2, 4, 6) + torch.tensor([1.0, 1, 60, 0, 0, 100])
    net(notes, torch.tensor([4, 2])).square().mean().backward()
    for name, parameter in net.named_parameters():
        assert torch.isfinite(parameter.grad).all() and parameter.grad.abs().sum() > 0, name
