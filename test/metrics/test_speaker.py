"""Speaker similarity through ESPnet's own inference class, with a tiny model in its form."""

import argparse
import shutil

import numpy as np
import pytest
import torch
import yaml

from espnet2_ext.metrics.speaker import RAWNET3, SpeakerModel, cosine, load_speaker_model

FS = 16000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A RawNet3 of the zoo's form: meta.yaml, config.yaml, weights; 8 channels wide."""
    from espnet2.tasks.spk import SpeakerTask

    config = SpeakerTask.get_default_config() | {
        "frontend": "melspec_torch", "frontend_conf": {"n_mels": 8}, "normalize": None,
        "specaug": None, "encoder": "rawnet3", "pooling": "chn_attn_stat", "projector": "rawnet3",
        "encoder_conf": {"model_scale": 2, "ndim": 8, "output_size": 12},
        "projector_conf": {"output_size": 6}, "loss": "aamsoftmax", "spk_num": 3,
    }  # fmt: skip
    folder = tmp_path_factory.mktemp("speaker")
    torch.manual_seed(0)
    model = SpeakerTask.build_model(argparse.Namespace(**config))
    (folder / "exp").mkdir()
    torch.save(model.state_dict(), folder / "exp" / "valid.eer.best.pth")
    (folder / "exp" / "config.yaml").write_text(yaml.safe_dump(config))
    meta = {"files": {"model_file": "exp/valid.eer.best.pth"},
            "yaml_files": {"train_config": "exp/config.yaml"}}  # fmt: skip
    (folder / "meta.yaml").write_text(yaml.safe_dump(meta))
    return folder


def voice(hz: float, seed: int = 0) -> np.ndarray:
    t = np.arange(FS) / FS
    wav = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 12)) * 0.1
    return wav + np.random.default_rng(seed).normal(size=FS) * 1e-3


def test_embeddings_of_espnets_inference_class(folder):
    speaker = load_speaker_model(str(folder))
    assert speaker.reason == "" and speaker.name == str(folder)
    one, again, other = (speaker.embed(voice(hz)) for hz in (120, 120, 300))
    assert one.shape == (6,)
    assert cosine(one, again) == pytest.approx(1)
    assert cosine(one, other) < 0.9999
    expected = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
    assert cosine(one, other) == pytest.approx(float(expected), abs=1e-6)


def changed(folder, tmp_path, change):
    """A copy of the model with other weights."""
    shutil.copytree(folder, tmp_path / "model")
    path = tmp_path / "model/exp/valid.eer.best.pth"
    torch.save(change(torch.load(path, weights_only=True)), path)
    return load_speaker_model(str(tmp_path / "model"))


def test_an_embedder_without_its_weights_gives_no_numbers(folder, tmp_path):
    speaker = changed(folder, tmp_path, lambda state: {
        k: v for k, v in state.items() if not k.startswith("encoder.")})  # fmt: skip
    assert speaker.embed is None
    assert "does not load" in speaker.reason and "missing parameter encoder." in speaker.reason


def test_weights_of_another_embedder_give_no_numbers(folder, tmp_path):
    speaker = changed(folder, tmp_path, lambda state: state | {"more": torch.ones(1)})
    assert speaker.embed is None and "unknown parameter more" in speaker.reason


def test_the_classifier_of_the_training_speakers_is_not_needed(folder, tmp_path):
    speaker = changed(folder, tmp_path, lambda state: {
        k: v for k, v in state.items() if not k.startswith("loss.")})  # fmt: skip
    whole = load_speaker_model(str(folder))
    assert np.array_equal(speaker.embed(voice(120)), whole.embed(voice(120)))


def test_without_weights_one_line_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    speaker = load_speaker_model()
    assert speaker.embed is None and "\n" not in speaker.reason
    assert RAWNET3 in speaker.reason and "--fetch_mos" in speaker.reason


def test_a_folder_of_something_else_is_a_reason_too(tmp_path):
    assert "0 config.yaml" in load_speaker_model(str(tmp_path)).reason
    (tmp_path / "config.yaml").write_text("encoder: nonesuch\n")
    (tmp_path / "x.pth").write_bytes(b"no weights")
    assert "does not load" in load_speaker_model(str(tmp_path)).reason
    assert isinstance(load_speaker_model(str(tmp_path)), SpeakerModel)
