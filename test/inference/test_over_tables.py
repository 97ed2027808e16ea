"""Steps over tables and in a pipeline: what is read, what is written, what does not fit."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from espnet2_ext.audio.mel import MelConfig
from espnet2_ext.audio.wav import read_wav
from espnet2_ext.bin import infer
from espnet2_ext.data.streams import StreamSizes, write_stream
from espnet2_ext.files import read_scp, read_table
from espnet2_ext.inference.codec_step import CodecStep
from espnet2_ext.inference.over_tables import over_tables
from espnet2_ext.inference.pipeline import Pipeline
from espnet2_ext.inference.step import Step
from espnet2_ext.resumable import Shard
from espnet2_ext.tokenizer.mel_rvq import MelRVQ, MelRVQConfig
from espnet2_ext.tokenizer.tokenizers import Tokenizers


@dataclass(frozen=True)
class Brighter(Step):
    """Adds to each mel, and its F0 where it is given."""

    reads = ("mel",)
    may_read = ("f0", "soft")
    writes = ("mel", "names")

    by: float = 1.0

    @property
    def sizes(self) -> StreamSizes:
        return StreamSizes(n_mels=3)

    @property
    def options(self) -> str:
        return str(self.by)

    def wants(self, name: str) -> bool:
        return name == "f0"

    def with_seed(self, seed: int) -> "Brighter":
        return Brighter(float(seed))

    def __call__(self, columns, names):
        assert "soft" not in columns
        f0s = columns.get("f0", [torch.zeros(len(mel)) for mel in columns["mel"]])
        mels = [mel + f0[:, None] + self.by for mel, f0 in zip(columns["mel"], f0s, strict=True)]
        return {"mel": mels, "names": list(names)}


@pytest.fixture
def mels(tmp_path):
    values = [np.full((k + 2, 3), k, np.float32) for k in range(5)]
    write_stream(tmp_path, "mel", [f"u{k}" for k in range(5)], values)
    return tmp_path / "mel.scp"


def test_a_step_writes_its_streams_and_tables_in_order(mels, tmp_path):
    out = tmp_path / "out"
    assert not over_tables(Brighter(), "m", {"mel": mels}, out, Shard(2, 2), chunk_utts=2)
    assert over_tables(Brighter(), "m", {"mel": mels}, out, Shard(1, 2), chunk_utts=2)
    written = read_scp(out / "mel.scp")
    assert [written[f"u{k}"].tolist() for k in range(5)] == [
        [[k + 1.0] * 3] * (k + 2) for k in range(5)
    ]
    assert read_table(out / "names") == {f"u{k}": f"u{k}" for k in range(5)}


@pytest.mark.parametrize("change", ["model", "options", "input"])
def test_what_is_made_of_something_else_is_made_anew(mels, tmp_path, change):
    out = tmp_path / "out"
    step, made_by, paths = Brighter(), "m", {"mel": mels, "soft": tmp_path / "not_read.scp"}
    over_tables(step, made_by, paths, out)
    (before,) = (out / "chunks").iterdir()
    over_tables(step, made_by, paths, out)
    assert [before] == list((out / "chunks").iterdir())
    if change == "model":
        made_by = "n"
    elif change == "options":
        step = Brighter(2.0)
    else:
        write_stream(tmp_path, "f0", [f"u{k}" for k in range(5)],
                     [np.ones(k + 2, np.float32) for k in range(5)])  # fmt: skip
        paths["f0"] = tmp_path / "f0.scp"
    over_tables(step, made_by, paths, out)
    (after,) = (out / "chunks").iterdir()
    assert after != before


def test_a_pipeline_gives_each_step_what_it_wants():
    steps = {"one": Brighter(), "two": Brighter(10.0)}
    pipeline = Pipeline(steps, given=("mel", "f0", "soft"))
    mels = [torch.zeros(2, 3), torch.ones(1, 3)]
    columns = {"mel": mels, "f0": [torch.ones(2), torch.ones(1)], "soft": [1, 2]}
    made = pipeline(columns, ["a", "b"])
    assert [mel[0, 0].item() for mel in made["mel"]] == [13.0, 14.0]
    assert made["names"] == ["a", "b"] and made["soft"] == [1, 2]
    assert pipeline.with_seed(3)(columns, ["a", "b"])["mel"][0][0, 0] == 8.0
    with pytest.raises(ValueError, match="step one reads mel, which no step writes"):
        Pipeline(steps, given=("f0",))


class Buzz:
    """A codec that makes audio itself: a code is the level of its frame."""

    fs = 24000

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        return (codes[..., 0] / 8).repeat_interleave(480, 1)


def test_a_codec_decodes_what_a_model_expects():
    """Certain of a code, it expects that code's embedding; torn between two, what lies between."""
    mel = MelConfig(n_mels=4, hop_length=240, fps=50)
    codec = MelRVQ(mel, MelRVQConfig(n_codebooks=1, codebook_size=2))
    codec.centroids[0, 1] = 1.0
    tokenizers = SimpleNamespace(codec=codec, mel=mel, sizes=[4, 2])
    codes = torch.tensor([[3, 0], [3, 1]])
    hard = CodecStep(tokenizers)({"codec_ssl": [codes]}, ["a"])["mel"][0]
    step = CodecStep(tokenizers, stream="soft")
    assert step.sizes.embed_dim == 8
    certain = codec.embed(codes[None, :, 1:])[0]
    assert torch.equal(step({"soft": [certain]}, ["a"])["mel"][0], hard)
    torn = certain.mean(0, keepdim=True)
    between = step({"soft": [torn]}, ["a"])["mel"][0]
    assert torch.allclose(between, (hard[:2] + hard[2:]) / 2)


def test_of_a_residual_codec_the_first_codebooks_alone_are_decoded():
    mel = MelConfig(n_mels=4, hop_length=240, fps=50)
    codec = MelRVQ(mel, MelRVQConfig(n_codebooks=3, codebook_size=2))
    codec.centroids[0], codec.centroids[1], codec.centroids[2] = 1.0, 0.5, 0.25
    tokenizers = SimpleNamespace(codec=codec, mel=mel, sizes=[4, 2, 2, 2])
    codes = torch.zeros(5, 4, dtype=torch.long)
    for n, level in ((1, 1.0), (2, 1.5), (3, 1.75), (None, 1.75)):
        step = CodecStep(tokenizers, codebooks=n)
        (found,) = step({"codec_ssl": [codes]}, ["a"])["mel"]
        torch.testing.assert_close(found, torch.full((10, 4), level))
    assert CodecStep(tokenizers).options == "" != CodecStep(tokenizers, codebooks=2).options


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--codec_ssl", "t.scp", "--codebooks", "0"], "--codebooks: 0 (expected 1 to 2"),
        (["--codes", "t.scp", "--codebooks", "3"], "--codebooks: 3 (expected 1 to 2"),
        (["--soft", "t.scp", "--codebooks", "1"], "--codebooks: 1 (expected 1 to 2, and codes"),
    ],
)
def test_codebooks_that_a_codec_does_not_have_are_refused(
    options, said, tmp_path, monkeypatch, capsys
):
    mel = MelConfig(n_mels=4, hop_length=240, fps=50)
    codec = MelRVQ(mel, MelRVQConfig(n_codebooks=2, codebook_size=2))
    tokenizers = SimpleNamespace(codec=codec, mel=mel, sizes=[4, 2, 2])
    monkeypatch.setattr(Tokenizers, "load", lambda *given, **more: tokenizers)
    command = ["codec", "--tokenizer_dir", str(tmp_path), "--output_dir", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as ended:
        infer.main([*command, *options])
    assert ended.value.code == 2 and said in capsys.readouterr().err


@pytest.mark.parametrize("stream", ["codec_ssl", "codes"])
def test_a_codec_that_makes_audio_writes_wavs_and_their_mel(tmp_path, stream):
    mel = MelConfig(fs=24000, hop_length=240, n_mels=20, fps=50)
    tokenizers = SimpleNamespace(codec=Buzz(), mel=mel, sizes=[4, 8, 8])
    rows = np.array([[0, 2, 7], [3, 4, 7]])[:, -3 if stream == "codec_ssl" else -2 :]
    write_stream(tmp_path, stream, ["a", "b"], [rows, rows[:1]])
    step = CodecStep(tokenizers, "cpu", stream)
    out = tmp_path / "out"
    assert over_tables(step, "m", {stream: tmp_path / f"{stream}.scp"}, out)
    wav, fs = read_wav(read_table(out / "wav.scp")["a"])
    assert fs == 24000 and len(wav) == 960
    np.testing.assert_allclose(wav[[0, 959]], [0.25, 0.5], atol=1e-4)
    assert {u: mel.shape for u, mel in read_scp(out / "mel.scp").items()} == {
        "a": (4, 20), "b": (2, 20)
    }  # fmt: skip
    before = Path(out / "wav/a.wav").stat().st_mtime_ns
    Path(out / "wav/b.wav").rename(out / "wav/.part-x.wav")
    assert over_tables(step, "m", {stream: tmp_path / f"{stream}.scp"}, out)
    assert Path(out / "wav/b.wav").is_file()  # a wav that is gone is made anew, with its chunk
    assert Path(out / "wav/a.wav").stat().st_mtime_ns != before
    assert not list(out.rglob(".part-*"))  # what a killed job was writing
