"""Real singing through every stage, at a tiny size; and how a folder of recordings is read."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from inference.conftest import pack, sources  # noqa: F401

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json, write_table, write_text
from espnet2_ext.judges.network import TrunkConfig
from espnet2_ext.judges.phone_recognizer import CtcNetwork, CtcPhoneRecognizer, RecognizerConfig
from espnet2_ext.judges.singer_embedder import ConvSingerEmbedder, EmbedderConfig, EmbedderNetwork
from espnet2_ext.judges.store import save_centroids
from espnet2_ext.score.formats.espnet_format import Entry, write_data_dir
from espnet2_ext.score.music_score import MusicScore, Note, Phone

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
real_recordings = pytest.importorskip("real_recordings")
FS = 16000


def made_folder(folder: Path) -> Path:
    """Two singers of a second each: one labelled elsewhere, one with F0 made by hand."""
    times = np.arange(FS) / FS
    tone = 0.3 * np.sin(2 * np.pi * 220 * times)
    for name in ("ann/song.wav", "bo/Audio/tune.wav"):
        (folder / name).parent.mkdir(parents=True)
        soundfile.write(folder / name, tone, FS)
    notes = (Note(0, 1.0, 57, "la", ("l", "a")),)
    score = MusicScore(notes, (Phone(0, 0.1, "l", 0), Phone(0.1, 1.0, "a", 0)))
    data = folder / "labelled/ann"
    write_data_dir(data, [Entry("ann_1", "ann.wav", "ann", score)])
    write_table(data / "wav.scp", {"ann_1": "../other/place/ann/song.wav"})
    scp = (data / "score.scp").read_text().split()[1]
    write_table(data / "score.scp", {"ann_1": f"../other/place/{Path(scp).relative_to(folder)}"})
    write_text(folder / "bo/F0/tune_f0.csv", "0.0,0.0\n0.5,220.0\n")
    return folder


def test_labels_find_their_recordings_wherever_the_folder_lies(tmp_path):
    folder = made_folder(tmp_path / "real")
    ann, bo = real_recordings.read_recordings(folder, tmp_path / "work")
    assert (ann.name, ann.singer, ann.fs, ann.seconds) == ("song", "ann", FS, 1.0)
    assert [note.midi for note in ann.score.notes] == [57]
    assert (bo.name, bo.singer, bo.score) == ("tune", "bo", None)
    assert bo.times.tolist() == [0.0, 0.5] and bo.f0.tolist() == [0.0, 220.0]
    assert len(ann.at(24000, 480)) == 24000


def test_a_folder_that_is_not_as_described_is_refused_in_one_line(tmp_path):
    folder = made_folder(tmp_path / "real")
    write_text(folder / "bo/F0/tune_f0.csv", "0.0,0.0\nhalf,220.0\n")
    with pytest.raises(UserError, match=r"tune_f0.csv:2: 'half,220.0' \(expected time"):
        real_recordings.read_recordings(folder, tmp_path / "work")
    (folder / "ann/song.wav").unlink()
    with pytest.raises(UserError, match=r"wav.scp: ../other/place/ann/song.wav"):
        real_recordings.read_recordings(folder, tmp_path / "work2")
    with pytest.raises(UserError, match="no recordings"):
        real_recordings.read_recordings(tmp_path / "work", tmp_path / "work3")


def tiny_judges(folder: Path) -> Path:
    torch.manual_seed(0)
    trunk = TrunkConfig(channels=8, n_blocks=1, kernel=3)
    recognizer = RecognizerConfig(phones=("a", "l"), trunk=trunk)
    CtcPhoneRecognizer(recognizer, CtcNetwork(recognizer)).save(folder)
    embedder = EmbedderConfig(trunk=trunk, dim=4)
    ConvSingerEmbedder(embedder, EmbedderNetwork(embedder)).save(folder)
    singers = {"u0": "ann", "u1": "bo"}
    save_centroids(
        folder, {utt: np.random.default_rng(0).normal(size=4) for utt in singers}, singers
    )
    return folder


@pytest.mark.slow
def test_real_recordings_pass_every_stage(real_singing, pack, tmp_path):  # noqa: F811
    import real_singing as benchmark

    folder, out = tmp_path / "real", tmp_path / "rows.json"
    for name in ("nit_song070", "vocadito", "labelled/nit"):
        shutil.copytree(real_singing / name, folder / name)
    conf = ROOT / "egs2/mini_singing/speechlm1"
    options = ["--recordings", folder, "--pack", pack, "--judges", tiny_judges(tmp_path / "judges")]
    options += ["--work", tmp_path / "work", "--out", out, "--pictures", tmp_path / "pictures"]
    options += ["--vocoder_config", conf / "conf/train_vocoder_debug.yaml", "--steps", 2]
    options += ["--codebook_size", 8, "--max_sec", 3, "--scores"]
    with pytest.raises(SystemExit) as done:
        benchmark.main([str(o) for o in [*options, conf / "scores/brother_john.musicxml"]])
    assert done.value.code == 0
    rows = {stage: [r for r in read_json(out) if r["stage"] == stage] for stage in benchmark.STAGES}
    assert {stage: len(found) for stage, found in rows.items()} == {
        "recordings": 3, "f0": 3 + 2 + 2, "refused": 2, "copies": 3 * 6, "sung": 2, "level": 3,
    }  # fmt: skip
    assert all(row["findings"] == 0 for row in rows["recordings"] if row["notes"])
    by_hand = next(row for row in rows["f0"] if row["system"].endswith("judge against hand"))
    assert by_hand["within_50_cents"] > 0.95
    for row in rows["copies"]:
        assert (row["mcd_db"] == 0) == (row["system"] == "recording")
    assert len(list((tmp_path / "pictures").glob("*.webp"))) == 18
