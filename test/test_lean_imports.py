"""A task is imported without what trainings never use; what was put off is there when asked for."""

import subprocess
import sys

import pytest

from espnet2_ext.tasks import _put_off

pytestmark = pytest.mark.slow

HEAVY = {
    "transformers",
    "g2p_en.g2p",
    "music21.stream",
    "numba",
    "scipy.stats",
    "espnet2.gan_tts.jets",
}
SCRIPT = f"""
import sys, typeguard
checked = typeguard.typechecked
from espnet2_ext.tasks.mel_flow import MelFlowTask
from espnet2_ext.tasks.vocoder import VocoderTask
assert typeguard.typechecked is checked
assert not {HEAVY} & set(sys.modules), {HEAVY} & set(sys.modules)
from espnet2.train.trainer import calculate_all_attentions
import torch
class Model(torch.nn.Module):
    def forward(self, x):
        return x
model = Model()
assert calculate_all_attentions(model, {{"x": torch.zeros(1, 1)}}) == {{}}
from espnet2.train.preprocessor import CommonPreprocessor, detect_non_silence
from espnet2.train.collate_fn import detect_non_silence as late
import numpy as np
assert late(np.ones((1, 2000))).shape == detect_non_silence(np.ones((1, 2000))).shape
import transformers
assert transformers.AutoConfig
"""


def test_tasks_import_only_what_trainings_use():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_module_put_off_is_imported_when_used(tmp_path, monkeypatch):
    (tmp_path / "heard_later.py").write_text("tuning = 440\n\ndef double(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    _put_off("heard_later", "double")
    stand_in = sys.modules["heard_later"]
    from heard_later import double

    assert vars(stand_in).get("tuning") is None
    assert double(3) == 6 and stand_in.tuning == 440
    assert sys.modules["heard_later"] is not stand_in
    monkeypatch.delitem(sys.modules, "heard_later")


def test_what_is_not_installed_stays_an_import_error():
    _put_off("no_such_package.part")
    assert "no_such_package.part" not in sys.modules
