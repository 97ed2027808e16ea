"""Weights to start from and states to resume from, as a stranger leaves them in a folder."""

import shutil

import pytest
import torch
from planted import plant

from espnet2_ext.duration.model import DurationModel
from espnet2_ext.duration.net import DurationNet
from espnet2_ext.errors import UserError
from espnet2_ext.tasks.duration import DurationTask
from espnet2_ext.tasks.speechlm import SpeechLMTask
from espnet2_ext.train.init_param import init_param

from .conftest import train_command


@pytest.fixture
def marker(tmp_path):
    path = tmp_path / "marker"
    yield path
    assert not path.exists()


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    output = tmp_path_factory.mktemp("trained") / "exp"
    SpeechLMTask.main(cmd=train_command(corpus, output, max_epoch=1))
    return output


@pytest.mark.parametrize(
    "name",
    ["random_0.pt", "state/mp_rank_00_model_states.pt",
     "state/zero_pp_rank_0_mp_rank_00_optim_states.pt"],
)  # fmt: skip
def test_a_planted_zero_state_is_refused(corpus, trained, tmp_path, marker, name):
    output = tmp_path / "exp"
    shutil.copytree(trained, output, symlinks=True)
    (state,) = (output / "resume").iterdir()
    kept = torch.load(state / name, weights_only=False)
    plant(state / name, marker, **kept)
    folder = state.rename(state.with_name(state.name.replace("_end", "_1")))
    command = train_command(corpus, output, max_epoch=2)
    if name == "random_0.pt":  # read where an epoch goes on
        from espnet2_ext.train.zero_state import restore_random_state

        with pytest.raises(UserError, match="posix.mkdir, which may run code") as caught:
            restore_random_state(output / "resume")
    else:
        with pytest.raises(UserError, match="posix.mkdir, which may run code") as caught:
            SpeechLMTask.main(cmd=command)
    assert str(folder) in str(caught.value) and "--unsafe_resume" in str(caught.value)


def duration_command(output, *more) -> list[str]:
    names = ("notes", "targets")
    data = [f"--{s}_data_path_and_name_and_type={n}.scp,{n},kaldi_ark"
            for s in ("train", "valid") for n in names]  # fmt: skip
    return ["--output_dir", str(output), "--ngpu", "0", "--phone_list", "SP", "a", *data,
            *map(str, more)]  # fmt: skip


def test_a_planted_checkpoint_is_refused(tmp_path, marker):
    plant(tmp_path / "exp/checkpoint.pth", marker, model={})
    with pytest.raises(UserError, match=r"checkpoint\.pth: posix.mkdir, which may run code"):
        DurationTask.main(cmd=duration_command(tmp_path / "exp", "--resume", "true"))


def model() -> DurationModel:
    torch.manual_seed(0)
    return DurationModel(DurationNet(3, 8, 1, 0.0))


def test_planted_weights_to_start_from_are_refused(tmp_path, marker):
    path = plant(tmp_path / "x.pth", marker)
    with pytest.raises(UserError, match=r"x\.pth: not readable"):
        init_param(str(path), model(), False)


def test_espnet_calls_it():
    from espnet2.tasks import abs_task

    DurationTask.get_parser()
    assert abs_task.load_pretrained_model is init_param


def test_weights_to_start_from_are_read_strictly(tmp_path):
    source, target = model(), model()
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.add_(1.0)
    state, path = source.state_dict(), tmp_path / "x.pth"
    torch.save(state, path)
    init_param(str(path), target, False)
    assert all(torch.equal(state[k], v) for k, v in target.state_dict().items())

    names = sorted(state)
    part, name = names[0].rpartition(".")[0], names[0].rpartition(".")[2]
    other = model()
    init_param(f"{path}:{part}:{part}", other, False)  # a part into a part
    changed = {k for k, v in other.state_dict().items() if torch.equal(state[k], v)}
    assert changed == {k for k in state if k.startswith(f"{part}.")}

    torch.save({k: v for k, v in state.items() if k != names[0]}, path)
    with pytest.raises(UserError, match=rf"x\.pth: missing parameter {names[0]}"):
        init_param(str(path), model(), False)
    other = model()
    init_param(str(path), other, True)
    assert torch.equal(other.state_dict()[names[0]], model().state_dict()[names[0]])
    assert torch.equal(other.state_dict()[names[-1]], state[names[-1]])
    other = model()
    init_param(f"{path}:::{part}.{name}", other, False)  # left out on purpose
    assert torch.equal(other.state_dict()[names[-1]], state[names[-1]])

    torch.save({**state, "x": torch.ones(1)}, path)
    with pytest.raises(UserError, match="unknown parameter x"):
        init_param(str(path), model(), False)
    for option, message in ((f"{path}:nothing", "no parameters of nothing"),
                            (f"{path}::nothing", "no module 'nothing'"),
                            (f"{tmp_path}/none.pth", "no such file")):  # fmt: skip
        with pytest.raises(UserError, match=message):
            init_param(option, model(), False)
