"""Telling singers apart: what is near, and who is taken for whom."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet2_ext.files import read_json, write_table

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
voices = pytest.importorskip("voices")
FS = 24000


def hums(folder, singers):
    """Two utterances of every singer: noise through a resonance of the singer's own."""
    from scipy.signal import lfilter

    rng = np.random.default_rng(0)
    (folder / "wavs").mkdir(parents=True)
    table = {}
    for singer, hz in singers.items():
        for index in range(2):
            pole = 0.97 * np.exp(2j * np.pi * hz / FS)
            wav = lfilter([1], [1, -2 * pole.real, abs(pole) ** 2], rng.normal(size=FS // 2))
            soundfile.write(folder / f"wavs/{singer}{index}.wav", 0.3 * wav / abs(wav).max(), FS)
            table[f"{singer}{index}"] = singer
    write_table(folder / "utt2spk", table)


def test_singers_that_differ_are_told_apart(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(voices, "embedders", lambda: {"spectrum": voices.spectrum()})
    hums(tmp_path / "segments", {"a": 500, "b": 700, "c": 2500})
    with pytest.raises(SystemExit) as stop:
        voices.main(["--corpus", str(tmp_path), "--out", str(tmp_path / "voices.json")])
    assert stop.value.code == 0
    found = read_json(tmp_path / "voices.json")["sung, spectrum"]
    assert found["singers"] == 3 and found["utterances"] == 6
    assert found["nearest_pair"] == ["a", "b"]
    assert found["rank_accuracy"] == 1.0
    assert "rank_accuracy" in capsys.readouterr().out


def test_singers_that_do_not_differ_are_not():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(8, 5, 16))
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    found = voices.measure({f"s{k}": vectors[k] for k in range(8)})
    assert found["rank_accuracy"] < 0.5 and found["own_similarity"] < 0.5


def test_one_singer_is_refused(tmp_path, capsys):
    hums(tmp_path / "speech", {"a": 500})
    with pytest.raises(SystemExit):
        voices.main(["--corpus", str(tmp_path)])
    assert "1 singers with two utterances" in capsys.readouterr().err
