"""Rank of unseen singers among themselves."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet2_ext.files import read_json, write_table, write_text

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
unseen_singers = pytest.importorskip("unseen_singers")
FS = 16000
LEVELS = {"a": 0.1, "b": 0.5}


class Loudness:
    """A singer is told by how loud the recording is."""

    def embed(self, wav, fs):
        level = float(np.abs(wav).max())
        return np.array([level, 1 - level])


def test_a_song_in_the_other_singers_voice_is_found(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(unseen_singers.ConvSingerEmbedder, "load", lambda folder: Loudness())
    ref, wavs, speakers, songs, swapped = tmp_path / "ref", {}, {}, {}, {}
    ref.mkdir()
    for singer, level in LEVELS.items():
        for k in range(4):
            utt = f"{singer}{k}"
            for name, loud in (("real", level), ("swapped", 0.6 - level if k == 0 else level)):
                path = tmp_path / f"{name}_{utt}.wav"
                soundfile.write(path, np.full(800, loud), FS)
                (wavs if name == "real" else swapped)[utt] = str(path)
            speakers[utt], songs[utt] = singer, f"{singer}{k // 2}"
    write_table(ref / "wav.scp", wavs)
    write_table(ref / "utt2spk", speakers)
    write_table(ref / "utt2song", songs)
    write_table(tmp_path / "swapped.scp", swapped)
    rows = [
        ("real", ref / "wav.scp", "recording"), ("note", "-", "score"),
        ("ours", tmp_path / "swapped.scp", "feats"),
    ]  # fmt: skip
    lines = ["system\tsplit\tref_dir\twav_scp\ttiming\tf0_source"]
    lines += [f"{name}\ttest\t{ref}\t{scp}\tlabel\t{f0}" for name, scp, f0 in rows]
    write_text(tmp_path / "systems.tsv", "\n".join(lines) + "\n")
    arguments = ["--table", str(tmp_path / "systems.tsv"), "--judges", "unused"]
    with pytest.raises(SystemExit) as stop:
        unseen_singers.main([*arguments, "--split", "test", "--out", str(tmp_path / "out.json")])
    assert stop.value.code == 0
    real, ours = read_json(tmp_path / "out.json")
    assert (real["system"], real["n_utt"], real["n_song"], real["n_singers"]) == ("real", 8, 4, 2)
    assert real["unseen_acc"]["value"] == 1 and ours["unseen_acc"]["value"] == 0.75
    assert ours["unseen_acc"]["low"] < 0.75 < ours["unseen_acc"]["high"]
    with pytest.raises(SystemExit) as stop:
        unseen_singers.main([*arguments, "--split", "dev"])
    assert stop.value.code == 2 and "no rows of 'dev'" in capsys.readouterr().err
