"""Damaged tables, options, data directories, archives and weights end in one line, or are read."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mutations import refusals

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.audio.wav import audio_info, read_wav, write_wav
from espnet2_ext.checkpoint import load_state, save_safetensors
from espnet2_ext.data.data_dir import DataDir, durations
from espnet2_ext.errors import UserError
from espnet2_ext.files import ArkWriter, parse_config, read_counts, read_scp, read_yaml
from espnet2_ext.flow.sampler import SamplingConfig
from espnet2_ext.hub import named_files
from espnet2_ext.score.formats.espnet_format import Entry, read_scores, write_data_dir
from espnet2_ext.score.formats.json_fields import integers
from espnet2_ext.score.formats.phone_set import read_phones
from espnet2_ext.score.music_score import MusicScore, Note, Phone
from espnet2_ext.speechlm.sampling import DecodingConfig
from espnet2_ext.tokenizer.centroids import read_centroids
from espnet2_ext.tokenizer.tokenizers import TokenizerConfig
from espnet2_ext.tokenizer.vocabulary import Vocabulary
from espnet2_ext.train.nodes import read_hostfile

ROOT = Path(__file__).parents[1]
CONF = ROOT / "egs2/mini_singing/speechlm1/conf"
PHONES = ["SP", "AP", "l", "a"]


@pytest.fixture
def readers(tmp_path):
    """Small whole files, each with how it is read."""
    write_wav(tmp_path / "a.wav", np.random.default_rng(0).normal(size=2400) * 0.1, 24000)
    notes = (Note(0, 0.05, 0, "", ("SP",)), Note(0.05, 0.1, 60, "la", ("l", "a")))
    phones = (Phone(0, 0.05, "SP", 0), Phone(0.05, 0.06, "l", 1), Phone(0.06, 0.1, "a", 1))
    entries = [Entry(f"u{k}", str(tmp_path / "a.wav"), "ann", MusicScore(notes, phones))
               for k in range(3)]  # fmt: skip
    write_data_dir(tmp_path / "data", entries, license_text="CC0")
    with ArkWriter(tmp_path, "x") as writer:
        for k in range(3):
            writer[f"u{k}"] = np.arange(8)
    Vocabulary.build(8, 2, 16, PHONES).save(tmp_path / "vocabulary")
    torch.save({"a": torch.zeros(3, 4)}, tmp_path / "m.pth")
    save_safetensors({"a": torch.zeros(3, 4)}, tmp_path / "m.safetensors")
    np.save(tmp_path / "c.npy", np.ones((3, 4)))
    for path in (ROOT / "conf/mel.yaml", CONF / "decode_flow_debug.yaml",
                 CONF / "decode_speechlm_debug.yaml", CONF / "tokenizer_debug.yaml"):  # fmt: skip
        shutil.copy(path, tmp_path)
    (tmp_path / "hosts").write_text("a slots=2\nb slots=3\n")
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo/meta.yaml").write_text(
        "files: {model_file: a.pth}\nyaml_files: {train_config: c.yaml}\n"
    )
    (tmp_path / "phones.txt").write_text("\n".join(PHONES) + "\n")

    def arrays(_: Path) -> None:
        list(read_scp(tmp_path / "x.scp").values())

    def vocabulary(path: Path) -> None:
        Vocabulary.load(path.parent).stream_slices()

    def data(_: Path) -> None:
        durations(DataDir.read(tmp_path / "data"))
        read_scores(tmp_path / "data")

    found = {
        "mel.yaml": MelConfig.load,
        "decode_flow_debug.yaml": lambda p: parse_config(SamplingConfig, read_yaml(p), p),
        "decode_speechlm_debug.yaml": lambda p: parse_config(DecodingConfig, read_yaml(p), p),
        "tokenizer_debug.yaml": TokenizerConfig.load,
        "hosts": read_hostfile,
        "zoo/meta.yaml": lambda p: named_files(p.parent),
        "phones.txt": read_phones,
        "vocabulary/token_list.json": vocabulary,
        "vocabulary/token_bias.json": vocabulary,
        "m.pth": load_state,
        "m.safetensors": load_state,
        "c.npy": read_centroids,
        "a.wav": lambda p: (audio_info(p), read_wav(p)),
        "x.scp": arrays,
        "x.ark": arrays,
    }
    tables = [p for p in sorted((tmp_path / "data").rglob("*")) if p.is_file()]
    return {tmp_path / name: read for name, read in found.items()} | {
        path: data for path in tables if path.name != "LICENSE.txt"
    }


def test_damaged_files(readers):
    assert refusals(readers, 600) > 200


def ark_of(tmp_path, data: bytes) -> Path:
    (tmp_path / "x.ark").write_bytes(data)
    (tmp_path / "x.scp").write_text(f"u0 {tmp_path}/x.ark:3\n")
    return tmp_path / "x.scp"


@pytest.mark.parametrize(
    "data",
    [b"", b"u0 ", b"u0 \0B", b"u0 \0B\x04\xff\xff\xff\x7f", b"u0 \0BFM \x04\x02", b"u0 [ x ]",
     b"u0 \xc2\xff", b"u0 NPY", b"u0 AUDIO", b"u0 RIFF"],
)  # fmt: skip
def test_a_damaged_archive_names_its_utterance(tmp_path, data):
    arrays = read_scp(ark_of(tmp_path, data))
    with pytest.raises(UserError, match=r"x\.scp: u0: not readable"):
        arrays["u0"]
    with pytest.raises(KeyError):
        arrays["u1"]
    (tmp_path / "x.scp").write_text("u0\n")
    with pytest.raises(UserError, match="u0: nothing"):
        read_scp(tmp_path / "x.scp")


def test_numbers_of_thousands_of_digits(tmp_path):
    long = "9" * 5000
    (tmp_path / "hosts").write_text(f"a slots={long}\n")
    with pytest.raises(UserError, match="hosts:1"):
        read_hostfile(tmp_path / "hosts")
    (tmp_path / "n").write_text(f"u0 {long}\n")
    with pytest.raises(UserError, match="n: u0: '9999"):
        read_counts(tmp_path / "n")
    with pytest.raises(UserError, match="item 1"):
        integers([long], 127, "midi", "score")
    tokens = list(Vocabulary.build(8, 2, 16, PHONES).tokens)
    known = tokens.index("<ssl_code1>")
    tokens[known] = f"<ssl_code{long}>"
    with pytest.raises(UserError, match="codes numbered in a row"):
        Vocabulary(tuple(tokens), {}).stream_slices()


@pytest.mark.parametrize("value", [None, "x", [], [None], [1.5, 2], True, {}])
def test_a_bias_of_another_type(tmp_path, value):
    with pytest.raises(UserError, match="codec_ssl"):
        Vocabulary.read(["<pad>"] * 8, {"codec_ssl": value, "svs": 3}, "v")


def test_names_that_no_file_can_have(tmp_path):
    for name in ("a\0b", "x" * 5000, "a.wav/b"):
        for read in (audio_info, read_yaml):
            with pytest.raises(UserError):
                read(f"{tmp_path}/{name}")
