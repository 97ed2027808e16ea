"""Untrained models of the debug configurations, with all that a pack is made from."""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from espnet2_ext.archive import extract
from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.files import ArkWriter, read_yaml, write_json, write_table, write_text
from espnet2_ext.inference.pack_writer import PackSources, write_pack
from espnet2_ext.score.formats.espnet_format import Entry, write_data_dir
from espnet2_ext.score.music_score import MusicScore, Note, Phone
from espnet2_ext.score.phones import PHONES
from espnet2_ext.tokenizer.mel_rvq import MelRVQ, MelRVQConfig
from espnet2_ext.tokenizer.ssl import SSLTokenizer
from espnet2_ext.tokenizer.ssl_features import PhoneFeatures, PhoneFeaturesConfig
from espnet2_ext.tokenizer.tokenizers import Tokenizers, save_tokenizers

ROOT = Path(__file__).parents[2]
CONF = ROOT / "egs2/mini_singing/speechlm1/conf"
MASKED_CONF = ROOT / "egs2/mini_singing/comelsinger1/conf"
MEL = MelConfig.load(ROOT / "conf/mel.yaml")
N_SSL, N_CODEBOOKS, CODEBOOK_SIZE = 8, 2, 16
LICENCE = "Tiny corpus, synthetic.\nLicence: CC BY-NC 4.0\n"
ABOUT = {
    "name": "tiny", "corpus": "tiny_corpus", "licence": LICENCE, "version": "0", "commit": "abc",
    "command": "run.sh --size tiny",
}  # fmt: skip
RESULTS = [
    {"system": "ground_truth", "split": "test", "metrics": {"f0_corr": 1.0, "per": 0.0}},
    {"system": "lm+flow2+voc", "split": "test", "metrics": {"f0_corr": 0.9, "per": 0.25}},
]


def _tokenizers(folder: Path) -> Tokenizers:
    config = folder / "tokenizer.yaml"
    write_text(
        config,
        f"codec: {{type: mel_rvq, n_codebooks: {N_CODEBOOKS}, codebook_size: {CODEBOOK_SIZE}}}\n"
        f"ssl: {{type: phone, n_clusters: {N_SSL}, hidden: 8, dilations: [1]}}\n",
    )
    frames = torch.randn(200, MEL.n_mels) - 5
    codec = MelRVQ(MEL, MelRVQConfig(N_CODEBOOKS, CODEBOOK_SIZE, n_iter=2)).fit(frames)
    features = PhoneFeatures(MEL, PhoneFeaturesConfig(hidden=8, dilations=[1]), len(PHONES))
    ssl = SSLTokenizer(features, torch.randn(N_SSL, len(PHONES)), MEL.fs, MEL.fps)
    out = folder / "tokenizer"
    save_tokenizers(out, config, ROOT / "conf/mel.yaml", codec, ssl, PHONES, frames)
    return Tokenizers.load(out)


def _experiment(folder: Path, values: dict, model: torch.nn.Module) -> tuple[Path, str]:
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(values))
    torch.save(model.state_dict(), folder / "best.pth")
    return folder, "best.pth"


def _data(folder: Path) -> tuple[Path, Path]:
    """Data directory and token directory of two singers."""
    notes = (Note(0, 0.5, 0, "", ("SP",)), Note(0.5, 1.0, 60, "la", ("l", "a")))
    phones = (Phone(0, 0.5, "SP", 0), Phone(0.5, 0.6, "l", 1), Phone(0.6, 1.0, "a", 1))
    score = MusicScore(notes, phones)
    entries = [Entry(f"u{k}", f"u{k}.wav", singer, score) for k, singer in enumerate(("ann", "bo"))]
    write_data_dir(folder / "data", entries, license_text=LICENCE)
    tokens = folder / "tokens"
    with ArkWriter(tokens, "codec_ssl") as writer:
        for k in range(2):
            writer[f"u{k}"] = np.full(20 * (1 + N_CODEBOOKS), k)
    write_table(tokens / "utt2num_frames", {"u0": 20, "u1": 20})
    write_table(tokens / "utt2spk", {"u0": "ann", "u1": "bo"})
    return folder / "data", tokens


@pytest.fixture(scope="session")
def sources(tmp_path_factory) -> PackSources:
    from espnet2_ext.flow.build import new_model
    from espnet2_ext.speechlm.build import build_speechlm
    from espnet2_ext.tasks.duration import DurationTask
    from espnet2_ext.vocoder.build import build_vocoder

    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("sources")
    tokenizers = _tokenizers(root)
    vocabulary = tokenizers.vocabulary()
    vocabulary.save(root / "vocabulary")
    data, tokens = _data(root)
    values = {n: read_yaml(CONF / f"train_{n}_debug.yaml") for n in ("speechlm", "flow", "vocoder")}
    values["vocoder"] |= {
        "discriminator_conf": {},
        "model_conf": {},
        "mel_config": MEL.asdict(),
    }
    values["speechlm"] |= {
        "token_list": list(vocabulary.tokens),
        "token_bias": {m: list(span) for m, span in vocabulary.bias.items()},
        "phone_list": list(PHONES),
    }
    flow = Namespace(**values["flow"], tokenizer_dir=str(root / "tokenizer"), geometry={})
    built = {
        "speechlm": build_speechlm(Namespace(**values["speechlm"])),
        "flow": new_model(flow),
        "vocoder": build_vocoder(Namespace(**values["vocoder"])),
    }
    values["flow"]["geometry"] = flow.geometry
    values["duration"] = {"phone_list": list(PHONES), "model_conf": {"channels": 16}}
    built["duration"] = DurationTask.build_model(Namespace(seed=0, **values["duration"]))
    write_json(root / "results.json", RESULTS)
    return PackSources(
        models={n: _experiment(root / n, values[n], model) for n, model in built.items()},
        inference={
            name: read_yaml(CONF / f"decode_{name}_debug.yaml") for name in ("speechlm", "flow")
        },
        tokenizer_dir=root / "tokenizer",
        vocabulary_dir=root / "vocabulary",
        tokens_dir=tokens,
        data_dir=data,
        results=root / "results.json",
    )


@pytest.fixture(scope="session")
def pack(sources, tmp_path_factory) -> Path:
    """The archive."""
    return write_pack(sources, tmp_path_factory.mktemp("pack") / "tiny.zip", ABOUT)


@pytest.fixture(scope="session")
def masked_sources(sources, tmp_path_factory) -> PackSources:
    """The same tokenizers, vocoder and durations, with masked generators."""
    from espnet2_ext.masked.build import build_model, sizes_of
    from espnet2_ext.masked.inference import read_sections
    from espnet2_ext.masked.model import TARGETS

    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("masked_sources")
    sizes = sizes_of(Tokenizers.load(sources.tokenizer_dir))
    models = {name: sources.models[name] for name in ("vocoder", "duration")}
    for target in TARGETS:
        values = read_yaml(MASKED_CONF / f"train_{target}_debug.yaml")
        values |= {"target": target, "sizes": sizes}
        model = build_model(Namespace(**values))
        for weight in model.parameters():  # so that prompts and scores matter
            torch.nn.init.normal_(weight, std=0.5)
        models[target] = _experiment(root / target, values, model)
    inference = read_sections(MASKED_CONF / "decode_masked_debug.yaml")
    del inference["acoustic"]["nbest"]  # which needs a transcription
    return replace(
        sources,
        system="masked",
        models=models,
        inference=inference,
        vocabulary_dir=None,
    )


@pytest.fixture(scope="session")
def masked_pack(masked_sources, tmp_path_factory) -> Path:
    """An archive of masked generators."""
    return write_pack(masked_sources, tmp_path_factory.mktemp("pack") / "masked.zip", ABOUT)


@pytest.fixture
def masked_folder(masked_pack, tmp_path) -> Path:
    """That archive, unpacked."""
    return extract(masked_pack, tmp_path / "masked")


@pytest.fixture
def folder(pack, tmp_path) -> Path:
    """The archive, unpacked."""
    return extract(pack, tmp_path / "pack")
