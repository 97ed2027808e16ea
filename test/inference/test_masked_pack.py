"""A pack of masked generators: what is in it, what it sings, what is refused."""

import json
import zipfile
from argparse import Namespace
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

from espnet2_ext.audio.wav import read_wav, write_wav
from espnet2_ext.bin import pack, sing
from espnet2_ext.checkpoint import load_state, save_safetensors
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json, read_yaml, write_json, write_text
from espnet2_ext.inference.pack import PackedModel
from espnet2_ext.inference.pack_writer import write_pack
from espnet2_ext.inference.packed_systems import SYSTEMS
from espnet2_ext.inference.synthesizer import SingingSynthesizer
from espnet2_ext.masked.build import build_model
from espnet2_ext.score.formats.json_format import write_json_score
from espnet2_ext.score.music_score import MusicScore, Note
from espnet2_ext.tokenizer.tokenizers import Tokenizers
from espnet2_ext.transcription.build import CodeGeometry, build_net

from .conftest import ABOUT, MASKED_CONF, MEL

SCORE = MusicScore(
    (
        Note(0, 0.2, 0, "", ("SP",)),
        Note(0.2, 0.6, 62, "la", ("l", "a")),
        Note(0.6, 1.0, 64, "la", ("l", "a")),
    )
)


def edit_yaml(path, **changes):
    path.write_text(yaml.safe_dump(read_yaml(path) | changes))


def test_its_models_and_steps_are_the_masked_systems(masked_pack):
    archive = zipfile.ZipFile(masked_pack)
    folders = {name.partition("/")[0] for name in archive.namelist() if "/" in name}
    assert folders == {"semantic", "acoustic", "vocoder", "duration", "tokenizer"}
    manifest = json.loads(archive.read("manifest.json"))
    assert manifest["steps"] == [
        {"step": "duration", "model": "duration"},
        {"step": "frames"},
        {"step": "masked", "semantic": "semantic", "acoustic": "acoustic"},
        {"step": "codec", "stream": "soft"},
        {"step": "vocoder", "model": "vocoder"},
    ]
    options = yaml.safe_load(archive.read("acoustic/inference.yaml"))
    assert options == {"steps": [2, 1], "guidance": 0, "soft": True}
    card = archive.read("README.md").decode()
    assert "two masked generators" in card and "speech language model" not in card
    assert "\n4. `codec` decodes the tokens" in card


def test_without_expected_embeddings_the_codec_reads_codes(masked_sources, tmp_path):
    options = {**masked_sources.inference, "acoustic": {"steps": [1], "guidance": 0}}
    written = write_pack(replace(masked_sources, inference=options), tmp_path / "p.zip", ABOUT)
    synthesizer = SingingSynthesizer.from_pretrained(written)
    assert synthesizer.model.pipeline.steps["codec"].stream == "codec_ssl"
    assert synthesizer.model.pipeline.steps["masked"].embeddings is None
    assert len(synthesizer(SCORE, "ann").wav) == MEL.fs


def test_it_sings_in_a_singers_voice_or_that_of_a_recording(masked_pack, tmp_path):
    synthesizer = SingingSynthesizer.from_pretrained(masked_pack)
    ann, bo = (synthesizer(SCORE, singer).wav for singer in ("ann", "bo"))
    assert len(ann) == len(bo) == MEL.fs and np.isfinite(ann).all() and np.ptp(ann) > 0
    assert not np.array_equal(ann, bo)
    assert np.array_equal(synthesizer(SCORE, "ann").wav, ann)
    assert not np.array_equal(synthesizer(SCORE, "ann", seed=1).wav, ann)
    write_json_score(tmp_path / "song.json", SCORE)
    noise = np.random.default_rng(0).normal(0, 0.1, MEL.fs).astype(np.float32)
    write_wav(tmp_path / "voice.wav", noise, MEL.fs)
    said = [str(tmp_path / "song.json"), "--model", str(masked_pack)]
    said += ["--prompt", str(tmp_path / "voice.wav"), "-o", str(tmp_path / "song.wav")]
    with pytest.raises(SystemExit) as ended:
        sing.main(said)
    assert ended.value.code == 0
    wav, fs = read_wav(tmp_path / "song.wav")
    assert fs == MEL.fs and len(wav) == len(ann)
    assert np.abs(wav - ann).max() > 1e-3


def test_all_parts_of_a_long_score_are_of_batches_of_the_decoding(masked_pack):
    synthesizer = SingingSynthesizer.from_pretrained(masked_pack)
    step = synthesizer.model.pipeline.steps["masked"]
    assert synthesizer.model.pipeline.batch_utts == step.decoding[1].batch_size


@pytest.mark.parametrize("model", ["semantic", "acoustic"])
def test_models_of_other_tokenizers_are_refused(masked_folder, model):
    config, weights = (
        masked_folder / model / "config.yaml",
        masked_folder / model / "model.safetensors",
    )
    sizes = read_yaml(config)["sizes"]
    state = load_state(weights)
    cases = {
        "n_phones": sizes["n_phones"] + 1,
        "codes": [sizes["codes"][0] + 1, *sizes["codes"][1:]],
    }
    for name, value in cases.items():
        edit_yaml(config, sizes=sizes | {name: value})
        save_safetensors(build_model(Namespace(**read_yaml(config))).state_dict(), weights)
        with pytest.raises(
            UserError, match=f"masked: {model}: {name}: .*expected .*as the tokenizers"
        ):
            PackedModel.load(masked_folder)
    save_safetensors(state, weights)
    edit_yaml(config, sizes=sizes)
    PackedModel.load(masked_folder)


def test_steps_that_cannot_be_are_named(masked_folder):
    path = masked_folder / "manifest.json"
    manifest = read_json(path)

    def with_step(number, **entry):
        steps = [dict(step) for step in manifest["steps"]]
        steps[number] = entry
        write_json(path, manifest | {"steps": steps})

    with_step(2, step="masked", semantic="acoustic", acoustic="acoustic")
    with pytest.raises(UserError, match=r"semantic: target: acoustic \(expected semantic\)"):
        PackedModel.load(masked_folder)
    with_step(2, step="masked", semantic="semantic")
    with pytest.raises(UserError, match="manifest.json: masked: acoustic: ''"):
        PackedModel.load(masked_folder)
    with_step(3, step="codec", stream="score_frames")
    with pytest.raises(UserError, match="codec: stream: 'score_frames'"):
        PackedModel.load(masked_folder)


def test_a_vocabulary_cannot_be_required_of_it(masked_pack):
    packed = PackedModel.load(masked_pack)
    assert packed.vocabulary is None
    with pytest.raises(UserError, match=r"p: vocabulary: none \(expected tokens.json's"):
        packed.require("p", token_list="tokens.json")


def test_weights_of_another_licence_are_named_and_bind_the_card(masked_sources, tmp_path):
    from huggingface_hub import ModelCard

    about = ABOUT | {"licence": "Licence: CC BY 4.0"}
    plain = zipfile.ZipFile(write_pack(masked_sources, tmp_path / "plain.zip", about))
    card = ModelCard(plain.read("README.md").decode())
    assert card.data.license == "cc-by-4.0" and "non-commercial" not in card.data.tags

    folder, file = masked_sources.models["acoustic"]
    own = tmp_path / "acoustic"
    own.mkdir()
    for name in ("config.yaml", file):
        (own / name).write_bytes((folder / name).read_bytes())
    text = "of another corpus: CC BY-NC 4.0\n"
    write_text(own / "LICENSE.txt", text)
    models = {**masked_sources.models, "acoustic": (own, file)}
    bound = zipfile.ZipFile(
        write_pack(replace(masked_sources, models=models), tmp_path / "bound.zip", about)
    )
    assert json.loads(bound.read("manifest.json"))["licences"] == {"acoustic": text}
    assert bound.read("acoustic/LICENSE.txt").decode() == text
    card = ModelCard(bound.read("README.md").decode())
    assert card.data.license == "other" and "non-commercial" in card.data.tags
    assert "the licence of `acoustic/` has it" in card.text
    assert "## Licence of the weights in `acoustic/`\n\n    of another corpus" in card.text


def test_pack_says_which_folder_a_system_lacks_or_does_not_have(capsys, tmp_path):
    common = ["--system", "masked", "--name", "n", "--corpus", "c", "--out", f"{tmp_path}/p.zip"]
    common += [w for part in ("tokenizer", "tokens", "data") for w in (f"--{part}_dir", "x")]
    models = [w for part in SYSTEMS["masked"].models for w in (f"--{part}_dir", "x")]
    for given, said in (
        ([], "--semantic_dir: missing (expected a folder, for --system masked)"),
        ([*models, "--flow_dir", "x"], "--flow_dir: given (expected none, for --system masked)"),
    ):
        with pytest.raises(SystemExit) as ended:
            pack.main([*common, *given])
        assert ended.value.code == 2 and said in capsys.readouterr().err


def test_prompts_of_a_pack_are_those_of_its_singers(masked_pack):
    prompts = PackedModel.load(masked_pack).prompts
    assert set(prompts) == {"ann", "bo"} and torch.equal(
        prompts["bo"], torch.ones_like(prompts["bo"])
    )


def test_several_takes_need_the_transcription_that_hears_them(masked_sources, tmp_path):
    acoustic = {"steps": [2], "guidance": 0, "temperature": 2.0, "nbest": 3}
    options = {**masked_sources.inference, "acoustic": acoustic}
    sources = replace(masked_sources, inference=options)
    with pytest.raises(UserError, match="transcription/config.yaml"):
        PackedModel.load(write_pack(sources, tmp_path / "deaf.zip", ABOUT))

    values = read_yaml(MASKED_CONF / "train_transcription_debug.yaml")
    geometry = CodeGeometry.of(Tokenizers.load(sources.tokenizer_dir))
    values["geometry"] = geometry.asdict()
    net = build_net(values, "transcription")
    state = {f"net.{name}": tensor for name, tensor in net.state_dict().items()}
    experiment = tmp_path / "transcription"
    experiment.mkdir()
    write_text(experiment / "config.yaml", yaml.safe_dump(values))
    torch.save(state, experiment / "best.pth")
    models = {**sources.models, "transcription": (experiment, "best.pth")}
    written = write_pack(replace(sources, models=models), tmp_path / "hears.zip", ABOUT)
    synthesizer = SingingSynthesizer.from_pretrained(written)
    step = synthesizer.model.pipeline.steps["masked"]
    assert step.transcription is not None and step.decoding[1].nbest == 3
    assert len(synthesizer(SCORE, "ann").wav) == MEL.fs
