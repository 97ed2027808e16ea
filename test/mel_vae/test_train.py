"""A mel-VAE trains through the command line, and what it wrote loads strictly."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.errors import UserError
from espnet2_ext.files import ArkWriter, read_yaml
from espnet2_ext.mel_vae.inference import MelVAE

ROOT = Path(__file__).parents[2]
CONF = ROOT / "egs2/mini_singing/speechlm1/conf"
MEL = MelConfig()


@pytest.fixture(scope="module")
def mels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mels")
    rng = np.random.default_rng(0)
    with ArkWriter(folder, "mel") as writer:
        for number in range(4):
            writer[f"utt{number}"] = rng.normal(-5, 2, (10 + 7 * number, MEL.n_mels))
    return folder


def options_of(mels: Path, exp: Path, config: Path) -> list[object]:
    options = ["--config", config, "--mel_config", ROOT / "conf/mel.yaml", "--ngpu", 0]
    for split in ("train", "valid"):
        options += [f"--{split}_data_path_and_name_and_type", f"{mels}/mel.scp,mel,kaldi_ark"]
        options += [f"--{split}_shape_file", mels / "mel.scp"]
    return [*options, "--output_dir", exp]


def train(*options: object) -> int:
    from espnet2_ext.bin import train

    with pytest.raises(SystemExit) as done:
        train.main(["mel_vae", *map(str, options)])
    return done.value.code


def test_train_then_encode_and_decode(mels: Path, tmp_path: Path) -> None:
    assert train(*options_of(mels, tmp_path, CONF / "train_mel_vae_debug.yaml")) == 0
    config, weights = tmp_path / "config.yaml", tmp_path / "valid.loss.best.pth"
    vae = MelVAE.load(config, weights)
    assert vae.mel == MEL and vae.channels == 4 and vae.frames_per_sec == 50
    assert vae.autoencoder.scale.mean.abs().max() > 0  # followed, and kept with the model
    mel = torch.randn(9, MEL.n_mels) - 5
    assert vae.decode(vae.encode(mel)).shape == (10, MEL.n_mels)
    state = torch.load(weights, weights_only=True)
    del state["generator.scale.mean"]
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(UserError, match=r"other.pth: missing parameter generator.scale.mean"):
        MelVAE.load(config, tmp_path / "other.pth")
    with pytest.raises(UserError, match="not a mel-VAE"):
        (tmp_path / "other.yaml").write_text("vocoder: hifigan\nmel_config: {}\n")
        MelVAE.load(tmp_path / "other.yaml", weights)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"crop_frames": 15}, "crop_frames: 15.*multiple of 2"),
        ({"autoencoder_conf": {"depth": 3}}, "autoencoder_conf: .*depth"),
        ({"autoencoder_conf": {"strides": [0]}}, "autoencoder_conf: .*at least 1"),
        ({"model_conf": {"lambda_beauty": 1}}, "model_conf: .*lambda_beauty"),
    ],
)
def test_a_wrong_configuration_ends_in_one_line(
    change: dict, message: str, mels: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    config = tmp_path / "train.yaml"
    config.write_text(yaml.safe_dump(read_yaml(CONF / "train_mel_vae_debug.yaml") | change))
    assert train(*options_of(mels, tmp_path / "exp", config)) == 2
    assert re.search(message, capsys.readouterr().err.strip().splitlines()[-1])


@pytest.mark.parametrize(
    "config", sorted(CONF.glob("**/*mel_vae*.yaml")), ids=lambda path: path.stem
)
def test_every_shipped_config_builds(config: Path) -> None:
    from espnet2_ext.tasks.mel_vae import MelVAETask

    mel = ROOT / ("conf/mel_44k_512.yaml" if "paper" in config.stem else "conf/mel.yaml")
    options = ["--config", str(config), "--mel_config", str(mel), "--output_dir", "unused"]
    args = MelVAETask.get_parser().parse_args(options)
    with torch.device("meta"):
        model = MelVAETask.build_model(args)
    assert len(MelVAETask.build_optimizers(args, model)) == 2
    if "paper" in config.stem:
        assert (model.lambda_kl, model.lambda_adv, model.lambda_r1) == (1e-6, 0.01, 3)


@pytest.mark.slow
def test_two_processes_end_with_the_same_weights(
    mels: Path, two_ranks: Callable[..., list[str]], tmp_path: Path
) -> None:
    options = options_of(mels, tmp_path / "exp", CONF / "train_mel_vae_debug.yaml")
    printed = two_ranks("espnet2_ext.tasks.mel_vae:MelVAETask", *options)
    one, other = [line for line in printed if line.startswith("weights ")]
    assert one == other
