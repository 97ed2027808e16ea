import re
from pathlib import Path

import pytest
import torch

from espnet2_ext.device import device_name
from espnet2_ext.errors import UserError

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["banana", "meta", "cuda:99", "cpu:x", ""])
def test_a_device_that_is_not_there_is_one_line(name):
    with pytest.raises(UserError, match=f"--device: '{name}': ") as caught:
        device_name(name)
    assert "\n" not in str(caught.value)


def test_a_gpu_is_asked_for_where_there_is_none():
    if torch.cuda.is_available():
        assert device_name("cuda") == "cuda"
    else:
        with pytest.raises(UserError, match="'cuda'"):
            device_name("cuda")
    assert device_name("cpu") == "cpu"


def test_every_command_checks_its_device():
    for path in sorted((ROOT / "espnet2_ext/bin").glob("*.py")):
        for option in re.findall(r'\("--device".*', path.read_text()):
            assert "type=device_name" in option, path
