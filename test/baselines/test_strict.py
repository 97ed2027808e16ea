"""A baseline sings with every one of its weights, or not at all."""

import argparse
from pathlib import Path

import pytest
import torch
import yaml

from espnet2_ext.baselines.inference import BaselineInference
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_yaml
from espnet2_ext.registry import register

CONF = Path(__file__).parents[2] / "egs2/mini_singing/svs1/conf/train_xiaoicesing_mel_debug.yaml"


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A XiaoiceSing of the debug configuration: config.yaml and model.pth."""
    register("espnet2.tasks.svs")
    from espnet2.tasks.svs import SVSTask

    options = SVSTask.get_default_config() | read_yaml(CONF) | {
        "normalize": None, "token_list": ["<blank>", "<unk>", "SP", "a", "<sos/eos>"],
    }  # fmt: skip
    folder = tmp_path_factory.mktemp("xiaoice")
    torch.manual_seed(0)
    model = SVSTask.build_model(argparse.Namespace(**options))
    (folder / "config.yaml").write_text(yaml.safe_dump(options))
    torch.save(model.state_dict(), folder / "model.pth")
    return folder


def test_every_weight_is_the_files(trained):
    state = torch.load(trained / "model.pth", weights_only=True)
    model = BaselineInference.load(trained / "config.yaml", trained / "model.pth")
    loaded = model._generate.model.state_dict()
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in state.items())


def test_what_is_missing_or_left_over_is_named(trained, tmp_path):
    """ESPnet's own loading keeps random weights for what a file lacks, and says nothing."""
    state = torch.load(trained / "model.pth", weights_only=True)
    name = next(iter(state))
    for changed, message in (
        ({k: v for k, v in state.items() if k != name}, f"missing parameter {name}"),
        (state | {"more": torch.ones(1)}, "unknown parameter more"),
        (state | {name: torch.ones(2, 3, 4)}, r"shape \(2, 3, 4\)"),
    ):
        torch.save(changed, tmp_path / "x.pth")
        with pytest.raises(UserError, match=message):
            BaselineInference.load(trained / "config.yaml", tmp_path / "x.pth")


def test_a_configuration_asks_for_no_more_than_its_weights(trained, tmp_path):
    options = read_yaml(trained / "config.yaml")
    options["svs_conf"]["eunits"] *= 4_000_000
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(options))
    with pytest.raises(UserError, match=r"config\.yaml: a larger model"):
        BaselineInference.load(tmp_path / "config.yaml", trained / "model.pth")
