"""A pack carries everything, and is refused where its parts or the user's wishes do not fit."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.audio.wav import read_wav
from espnet2_ext.checkpoint import load_state, save_safetensors
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json, read_yaml, write_json
from espnet2_ext.inference.model_card import licence_id, model_card
from espnet2_ext.inference.pack import PackedModel
from espnet2_ext.inference.synthesizer import SingingSynthesizer
from espnet2_ext.score.music_score import MusicScore, Note

from .conftest import ABOUT, LICENCE, MEL, ROOT


def edit_yaml(path, **changes):
    path.write_text(yaml.safe_dump(read_yaml(path) | changes))


def test_everything_that_singing_needs_is_inside(pack):
    names = set(zipfile.ZipFile(pack).namelist())
    models = {f"{m}/{f}" for m in ("speechlm", "flow", "vocoder", "duration")
              for f in ("config.yaml", "model.safetensors")}  # fmt: skip
    tokenizer = {"config.yaml", "mel.yaml", "mel_stats.safetensors", "phones.txt"}
    assert names >= models | {f"tokenizer/{name}" for name in tokenizer}
    assert names >= {"vocabulary/token_list.json", "prompts.safetensors", "results.json",
                     "README.md", "LICENSE.txt", "manifest.json"}  # fmt: skip
    manifest = json.loads(zipfile.ZipFile(pack).read("manifest.json"))
    assert {k: manifest[k] for k in ABOUT} == ABOUT
    assert manifest["languages"] == ["zh"] and set(manifest["singers"]) == {"ann", "bo"}


def test_the_card_is_in_hugging_faces_form(pack):
    from huggingface_hub import ModelCard

    card = ModelCard(zipfile.ZipFile(pack).read("README.md").decode())
    assert card.data.license == "cc-by-nc-4.0" and card.data.language == ["zh"]
    assert card.data.datasets == ["tiny_corpus"] and card.data.library_name == "espnet2-ext"
    assert {"non-commercial", "synthetic-corpus"} <= set(card.data.tags)
    found = {(r.dataset_split, r.metric_type): r.metric_value for r in card.data.eval_results}
    assert found == {("test", "f0_corr"): 0.9, ("test", "per"): 0.25}
    assert "**The corpus is synthetic**" in card.text and "**Not for commercial use**" in card.text
    assert "| test | lm+flow2+voc | 0.900 |  | 0.250 |  |  |" in card.text


def test_a_card_without_results_or_a_known_licence():
    about = ABOUT | {"licence": "ask us", "languages": [], "singers": {}}
    card = model_card(about, {}, MEL, ["SP"], None, "lm")
    assert "license: other" in card and "license_link: LICENSE.txt" in card
    assert "Not scored." in card and "model-index" not in card and "synthetic**" not in card


def test_results_of_a_card_are_those_of_what_is_packed():
    rows = [
        {"system": system, "split": "test", "metrics": {"per": per}}
        for system, per in (("ground_truth", 0.0), ("ours", 0.25), ("ours(codes)", 0.5))
    ]
    card = model_card(ABOUT | {"languages": [], "singers": {}}, {}, MEL, ["SP"], rows, "ours")
    assert "value: 0.25" in card and "value: 0.5" not in card and "| ours(codes) |" in card


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (LICENCE, "cc-by-nc-4.0"),
        ("CC-BY-NC-SA-4.0", "cc-by-nc-sa-4.0"),
        ("Creative Commons Attribution-NonCommercial-ShareAlike 4.0", "cc-by-nc-sa-4.0"),
        ("https://creativecommons.org/licenses/by-nc-nd/4.0/", "cc-by-nc-nd-4.0"),
        ("CC BY 4.0", "cc-by-4.0"),
        ("dedicated to the public domain under CC0 1.0", "cc0-1.0"),
        ("Apache License, Version 2.0", "apache-2.0"),
        ("for research only", "other"),
    ],
)
def test_licences_have_hugging_faces_names(text, name):
    assert licence_id(text) == name


def test_the_manifest_names_the_steps(pack, folder):
    """Expected embeddings are a step where the speech LM's options ask for them."""
    manifest = json.loads(zipfile.ZipFile(pack).read("manifest.json"))
    names = [step["step"] for step in manifest["steps"]]
    assert manifest["format"] == 2
    assert names == ["duration", "frames", "speechlm", "flow", "vocoder"]
    assert list(PackedModel.load(folder).pipeline.steps) == names
    edit_yaml(folder / "speechlm/inference.yaml", soft=True)
    assert "soft" not in PackedModel.load(folder).pipeline.steps  # the manifest says what is done
    write_json(
        folder / "manifest.json",
        {k: v for k, v in manifest.items() if k != "steps"} | {"format": 1},
    )
    assert "soft" in PackedModel.load(folder).pipeline.steps


def test_a_pack_of_format_1_still_sings_what_it_sang():
    """Made and sung by version 0.1.0 (an untrained model): durations, soft tokens, all steps."""
    old = Path(__file__).parent / "fixtures"
    notes = (
        Note(0, 0.2, 0, "", ("SP",)),
        Note(0.2, 0.7, 62, "la", ("l", "a")),
        Note(0.7, 1.0, 64, "a", ("a",), slur=True),
    )
    synthesizer = SingingSynthesizer.from_pretrained(old / "format1.zip")
    assert "soft" in synthesizer.model.pipeline.steps
    sung = synthesizer(MusicScore(notes), "bo", seed=3).wav
    expected = np.load(old / "format1_sings.npz")["wav"] / 32767
    assert sung.shape == expected.shape
    assert np.abs(sung - expected).max() < 2e-3 * np.abs(expected).max()


def test_another_phone_set_is_refused(folder):
    for part in ("speechlm", "duration"):
        path = folder / part / "config.yaml"
        was = path.read_text()
        phones = read_yaml(path)["phone_list"]
        edit_yaml(path, phone_list=["zz", *phones[1:]])
        with pytest.raises(UserError, match=f"{part}: phone set: SP zz"):
            PackedModel.load(folder)
        edit_yaml(path, phone_list=phones[::-1])
        with pytest.raises(UserError, match="phone set: the same in another order"):
            PackedModel.load(folder)
        path.write_text(was)


def test_another_mel_configuration_is_refused(folder):
    path = folder / "vocoder/config.yaml"
    edit_yaml(path, mel_config=read_yaml(path)["mel_config"] | {"fmax": 7000.0})
    with pytest.raises(UserError, match=r"vocoder: mel: fmax 7000.0 \(expected "):
        PackedModel.load(folder)


def test_another_vocabulary_is_refused(folder):
    tokens = read_json(folder / "vocabulary/token_list.json")
    write_json(folder / "vocabulary/token_list.json", [*tokens[:-2], tokens[-1], tokens[-2]])
    with pytest.raises(UserError, match="vocabulary"):
        PackedModel.load(folder)


def test_a_missing_parameter_and_a_foreign_prompt_are_named(folder):
    path = folder / "vocoder/model.safetensors"
    state = load_state(path)
    gone = sorted(state)[0]
    save_safetensors({k: v for k, v in state.items() if k != gone}, path)
    with pytest.raises(UserError, match=f"missing parameter {gone}"):
        PackedModel.load(folder)
    save_safetensors(state, path)
    prompts = load_state(folder / "prompts.safetensors")
    save_safetensors({k: v[:, :2] for k, v in prompts.items()}, folder / "prompts.safetensors")
    with pytest.raises(UserError, match="prompt of ann"):
        PackedModel.load(folder)


def test_what_the_user_requires_is_checked(folder, tmp_path):
    packed = PackedModel.load(folder)
    packed.require(
        "p", ROOT / "conf/mel.yaml", folder / "tokenizer/phones.txt",
        folder / "vocabulary/token_list.json",
    )  # fmt: skip
    other = MelConfig.load(ROOT / "conf/mel.yaml").asdict() | {"n_mels": 100}
    (tmp_path / "mel.yaml").write_text(yaml.safe_dump(other))
    with pytest.raises(UserError, match=r"p: mel: n_mels 80 \(expected 100\)"):
        packed.require("p", mel_config=tmp_path / "mel.yaml")
    (tmp_path / "phones.txt").write_text("SP\nXX\n")
    with pytest.raises(UserError, match=r"p: phone set: 'AP' at position 1 \(expected 'XX'"):
        packed.require("p", phone_list=tmp_path / "phones.txt")


@pytest.mark.slow
def test_it_sings_in_another_place_with_nothing_of_the_recipe(pack, tmp_path):
    """Another working directory, no recipe folder, and an environment of the bare minimum."""
    shutil.copy(pack, tmp_path / "model.zip")
    shutil.copy(ROOT / "egs2/mini_singing/speechlm1/scores/brother_john.musicxml", tmp_path)
    (tmp_path / "site").mkdir()
    (tmp_path / "site/espnet2_ext").symlink_to(ROOT / "espnet2_ext")
    env = {k: os.environ[k] for k in ("PATH", "LD_LIBRARY_PATH") if k in os.environ}
    env |= {"HOME": str(tmp_path), "PYTHONPATH": str(tmp_path / "site"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "espnet2_ext.bin.sing", "brother_john.musicxml",
         "--model", "model.zip", "-o", "song.wav"],
        cwd=tmp_path, env=env, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wav, fs = read_wav(tmp_path / "song.wav")
    assert fs == MEL.fs and len(wav) > 5 * fs
