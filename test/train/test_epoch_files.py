"""What an epoch leaves is complete, also in trainings by ESPnet's own command lines."""

from types import SimpleNamespace

import pytest
import torch
from espnet2.tasks.abs_task import AbsTask
from espnet2.tasks.gan_svs import GANSVSTask
from espnet2.tasks.svs import SVSTask
from espnet2.train.reporter import Reporter

from espnet2_ext.bin.espnet import end_epochs_whole
from espnet2_ext.checkpoint import load_state
from espnet2_ext.files import read_json
from espnet2_ext.train.epoch_files import WholeEpochs, keep_best, saves_whole
from espnet2_ext.train.partial import add_lora


def all_tasks(task):
    for each in task.__subclasses__():
        yield each
        yield from all_tasks(each)


@pytest.mark.parametrize("task", [AbsTask, SVSTask, GANSVSTask])
def test_espnets_own_trainers_complete_the_epoch_that_they_resume_from(task, monkeypatch):
    theirs = task.trainer
    for each in (AbsTask, *all_tasks(AbsTask)):
        if "trainer" in vars(each):
            monkeypatch.setattr(each, "trainer", each.trainer)  # put back after the test
    end_epochs_whole()
    assert issubclass(task.trainer, WholeEpochs) and issubclass(task.trainer, theirs)
    for name in ("run", "resume"):
        assert getattr(task.trainer, name).__func__ is getattr(WholeEpochs, name).__func__


def test_a_training_leaves_a_record(tmp_path):
    class Theirs:
        @classmethod
        def run(cls, *, model, trainer_options, **_):
            (tmp_path / "latest.pth").symlink_to("2epoch.pth")

    ours = type("Ours", (WholeEpochs, Theirs), {})
    options = SimpleNamespace(output_dir=tmp_path, max_epoch=5, seed=0)
    ours.run(model=torch.nn.Linear(2, 1), trainer_options=options, optimizers=[])
    record = read_json(tmp_path / "training.json")
    assert (record["parameters"], record["epochs"], record["ended"]) == (3, 2, "plateau")


def test_a_save_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "checkpoint.pth"
    torch.save({"a": torch.ones(2)}, path)
    before, save = path.read_bytes(), torch.save
    with saves_whole(), pytest.raises(AttributeError):
        torch.save({"a": torch.zeros(9999), "b": lambda: 0}, path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
    assert torch.save is save


def test_an_epochs_file_loads_without_adapters_and_a_checkpoint_has_them(tmp_path):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2))
    add_lora(model, ["0"], 1, 1.0, 0.0)
    torch.nn.init.normal_(model[0].lora_B["default"].weight)
    with saves_whole(model):
        torch.save(model.state_dict(), tmp_path / "3epoch.pth")
        torch.save({"model": model.state_dict()}, tmp_path / "checkpoint.pth")
    plain = torch.nn.Sequential(torch.nn.Linear(3, 2))
    plain.load_state_dict(load_state(tmp_path / "3epoch.pth"))
    x = torch.randn(4, 3)
    torch.testing.assert_close(plain(x), model(x))
    whole = torch.load(tmp_path / "checkpoint.pth", weights_only=True)["model"]
    assert whole.keys() == model.state_dict().keys() and any("lora_" in k for k in whole)


def test_links_and_kept_epochs_follow_the_losses(tmp_path):
    reporter = Reporter()
    for epoch, loss in enumerate([3.0, 1.0, 2.0, 4.0], 1):
        reporter.set_epoch(epoch)
        with reporter.observe("valid") as sub:
            sub.register({"loss": loss})
            sub.next()
        (tmp_path / f"{epoch}epoch.pth").write_text(str(epoch))
    (tmp_path / "before_1epoch.pth").write_text("a user's")
    keep_best(tmp_path, reporter, [("valid", "loss", "min"), ("valid", "acc", "max")], 2)
    assert (tmp_path / "valid.loss.best.pth").read_text() == "2"
    assert (tmp_path / "latest.pth").read_text() == "4"
    kept = sorted(path.name for path in tmp_path.glob("*epoch.pth"))
    assert kept == ["2epoch.pth", "3epoch.pth", "4epoch.pth", "before_1epoch.pth"]
