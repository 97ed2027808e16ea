"""Files that would run code when they are read do not, whoever reads them."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from planted import Planted, plant, plant_ark

from espnet2_ext.baselines.inference import BaselineInference
from espnet2_ext.checkpoint import load_state, require_plain
from espnet2_ext.errors import UserError, cli
from espnet2_ext.files import read_scp
from espnet2_ext.metrics.mos import load_mos
from espnet2_ext.metrics.speaker import load_speaker_model
from espnet2_ext.no_code import plain_values_only
from espnet2_ext.pickles import pickles_allowed
from espnet2_ext.speechlm.pretrained import PretrainedConfig, read_pretrained
from espnet2_ext.tokenizer.codecs import create_codec
from espnet2_ext.tokenizer.ssl import build_features

ROOT = Path(__file__).parents[1]


@pytest.fixture
def marker(tmp_path):
    """What the planted code would make; nothing has made it when the test is over."""
    path = tmp_path / "marker"
    yield path
    assert not path.exists()


def test_a_planted_file_would_run_if_it_were_unpickled(tmp_path):
    """Otherwise the other tests would show nothing."""
    path = plant(tmp_path / "x.pth", tmp_path / "ran")
    torch.load(path, weights_only=False)
    assert (tmp_path / "ran").exists()
    with pickles_allowed(), pytest.raises(FileExistsError):
        torch.load(path, weights_only=False)


def test_weights(tmp_path, marker):
    path = plant(tmp_path / "x.pth", marker)
    with pytest.raises(UserError, match=r"x\.pth: not readable"):
        load_state(path)
    with pytest.raises(UserError, match=r"x\.pth: posix.mkdir, which may run code"):
        require_plain(path, "plain values")
    path.write_bytes(pickle.dumps(Planted(marker)))
    with pytest.raises(UserError, match=r"x\.pth: not readable"):
        require_plain(path, "plain values")


def test_what_a_library_loads_within_a_command(tmp_path, marker, capsys, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "0")
    path = plant(tmp_path / "x.pth", marker)

    @cli
    def main():
        torch.load(path, weights_only=False)

    with pytest.raises(SystemExit, match="2"):
        main()
    error = capsys.readouterr().err
    assert (
        error.startswith("error: a file: a pickle, which may run code") and error.count("\n") == 1
    )


@pytest.mark.parametrize("command", ["touch {} |", "| touch {}"])
def test_a_line_of_a_table_that_is_a_command(tmp_path, marker, command):
    scp = tmp_path / "x.scp"
    scp.write_text(f"u0 {command.format(marker)}\n")
    with pytest.raises((UserError, OSError)):
        read_scp(scp)["u0"]


def test_an_archive_that_is_a_pickle(tmp_path, marker):
    with pytest.raises(UserError, match="a pickle, which may run code"):
        read_scp(plant_ark(tmp_path, "x", marker))["u0"]


def test_espnets_loaders_of_tables(tmp_path, marker):
    from espnet2.train.dataset import ESPnetDataset

    from espnet2_ext.registry import register

    register("espnet2.train.dataset")
    dataset = ESPnetDataset([(str(plant_ark(tmp_path, "x", marker)), "x", "kaldi_ark")])
    with pytest.raises(Exception, match="a pickle, which may run code|Not a Kaldi object"):
        dataset["u0"]  # the latter is omniio's, of ESPnet 202611, which knows no pickles
    scp = tmp_path / "y.scp"
    scp.write_text(f"u0 touch {marker} |\n")
    dataset = ESPnetDataset([(str(scp), "x", "kaldi_ark")])
    with pytest.raises(UserError, match="a command: touch"):
        dataset["u0"]


def test_baselines(tmp_path, marker):
    (tmp_path / "config.yaml").write_text("svs: xiaoice\n")
    weights = plant(tmp_path / "x.pth", marker)
    with pytest.raises(UserError, match=r"x\.pth: not readable"):
        BaselineInference.load(tmp_path / "config.yaml", weights)


def test_a_baselines_configuration_that_asks_for_code_of_the_network(tmp_path):
    """VISinger's ``plot_pred_mos`` fetches a repository and runs it."""
    from espnet2.gan_tts.vits import VITS

    with plain_values_only(), pytest.raises(UserError, match="tarepan.*: code from the network"):
        VITS(idim=4, odim=4, sampling_rate=24000, plot_pred_mos=True)


def test_speaker_models(tmp_path, marker):
    (tmp_path / "config.yaml").write_text("encoder: rawnet3\n")
    plant(tmp_path / "x.pth", marker)
    speaker = load_speaker_model(str(tmp_path))
    assert speaker.embed is None and "x.pth: not readable" in speaker.reason


def test_codecs_and_features_of_espnet(tmp_path, marker):
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"codec": "soundstream", "codec_conf": {}}))
    weights = plant(tmp_path / "x.pth", marker)
    from espnet2_ext.audio.mel import MelConfig

    files = {"type": "espnet", "config": str(config), "checkpoint": str(weights)}
    with pytest.raises(UserError, match=r"x\.pth: not readable"):
        create_codec(files, MelConfig(), "conf")
    with pytest.raises(UserError, match=r"x\.pth: not readable"):
        build_features(files, MelConfig(), 1, "conf")


def test_pretrained_language_models(tmp_path, marker):
    (tmp_path / "config.yaml").write_text("corelm_conf: {}\n")
    plant(tmp_path / "model.pth", marker)
    with pytest.raises(UserError, match=r"model\.pth: not readable"):
        read_pretrained(tmp_path, PretrainedConfig())


def test_a_hugging_face_folder_with_code(tmp_path, marker):
    from espnet2_ext.audio.mel import MelConfig

    (tmp_path / "evil.py").write_text(f"import os\nos.mkdir({str(marker)!r})\n")
    (tmp_path / "config.json").write_text(json.dumps({
        "model_type": "not_known_here",
        "auto_map": {"AutoConfig": "evil.C", "AutoModel": "evil.M"},
    }))  # fmt: skip
    options = {"type": "hf", "model": str(tmp_path), "layer": 1}
    with pytest.raises(UserError, match="cannot load"):
        build_features(options, MelConfig(), 1, "conf")


def test_predictors_of_mos_run_their_code_only_when_they_are_there(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert load_mos("singmos").reason.startswith("not measured: ")


@pytest.mark.slow
def test_a_training_of_espnets_own_command_line(tmp_path, marker):
    """``--resume`` is what its trainer unpickles."""
    exp = tmp_path / "exp"
    plant(exp / "checkpoint.pth", marker, model={})
    code = (
        "import sys, torch\n"
        "from espnet2_ext.errors import cli\n"
        "from espnet2_ext.registry import register\n"
        "from espnet2.train.trainer import Trainer\n"
        "@cli\ndef main():\n"
        "    register('espnet2.train.dataset')\n"
        "    Trainer.resume(sys.argv[1], torch.nn.Module(), None, [], [], None)\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(exp / "checkpoint.pth")],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 2 and "error: a file: a pickle" in done.stderr
    assert "Traceback" not in done.stderr
