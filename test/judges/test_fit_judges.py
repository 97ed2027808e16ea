"""Judges are fitted anew when what they were fitted on has changed, and only then."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from espnet2_ext.audio.wav import write_wav
from espnet2_ext.bin import fit as fit_cli
from espnet2_ext.files import read_table, write_jsonl, write_table
from espnet2_ext.judges.data import digest_data
from espnet2_ext.score.formats.espnet_format import Entry, write_data_dir
from espnet2_ext.score.music_score import MusicScore, Note, Phone

FS = 16000
CONFIG = """
centroid_utts: 2
dev_utts: 1
fit_recognizer: {steps: 1, batch_sec: 5}
fit_embedder: {steps: 1, batch_size: 4}
"""
PARTS = ["recognizer", "embedder", "centroids", "quality"]


def make_set(folder: Path, utts: dict[str, str], seed: int) -> None:
    """A data directory of noise; `utts` maps ids to singers."""
    rng, entries = np.random.default_rng(seed), []
    phones = (Phone(0.0, 0.5, "a", 0), Phone(0.5, 1.0, "i", 1))
    notes = (Note(0.0, 0.5, 60, "a", ("a",)), Note(0.5, 1.0, 62, "i", ("i",)))
    for utt, singer in utts.items():
        write_wav(folder / "wav" / f"{utt}.wav", 0.1 * rng.standard_normal(FS), FS)
        wav = str(folder / "wav" / f"{utt}.wav")
        entries.append(Entry(utt, wav, singer, MusicScore(notes, phones)))
    write_data_dir(folder, entries)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Folder with train, dev, other and judges fitted on them."""
    root = tmp_path_factory.mktemp("made")
    make_set(root / "train", {"a1": "a", "a2": "a", "b1": "b", "b2": "b"}, 0)
    make_set(root / "dev", {"a3": "a", "b3": "b"}, 1)
    make_set(root / "other", {"c1": "c", "c2": "c"}, 2)
    (root / "scoring.yaml").write_text(CONFIG)
    fit(root)
    return root


@pytest.fixture
def corpus(made, tmp_path) -> Path:
    """A copy that a test may change; its audio and scores lie in it."""
    root = tmp_path / "corpus"
    shutil.copytree(made, root)
    for name in ("train", "dev", "other"):
        for table in ("wav.scp", "score.scp"):
            paths = read_table(root / name / table)
            moved = {utt: path.replace(str(made), str(root)) for utt, path in paths.items()}
            write_table(root / name / table, moved)
    return root


def fit(root: Path, *more: str) -> dict[str, str]:
    """Keys of the parts, after fitting."""
    with pytest.raises(SystemExit) as status:
        fit_cli.main(["judges",
            "--data_dir", str(root / "train"), "--dev_dir", str(root / "dev"),
            "--centroid_dirs", str(root / "other"), "--out_dir", str(root / "judges"),
            "--config", str(root / "scoring.yaml"), *more,
        ])  # fmt: skip
    assert status.value.code == 0
    return json.loads((root / "judges/fitted.json").read_text())


def changed(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return [part for part in PARTS if before[part] != after[part]]


def sound(root: Path, name: str, utt: str) -> Path:
    return Path(read_table(root / name / "wav.scp")[utt])


def invert(path: Path) -> None:
    """Other samples in a file of the same size and times."""
    times = path.stat()
    samples, fs = soundfile.read(path, dtype="int16")
    soundfile.write(path, -samples, fs, subtype="PCM_16")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def relabel(root: Path, name: str, utt: str) -> None:
    labels = read_table(root / name / "label")
    parts = labels[utt].split()
    parts[1] = parts[3] = str(float(parts[1]) + 0.01)
    write_table(root / name / "label", labels | {utt: " ".join(parts)})


def test_the_same_data_elsewhere_and_with_other_times_is_kept(corpus):
    before = json.loads((corpus / "judges/fitted.json").read_text())
    assert sorted(before) == sorted(PARTS)
    for path in corpus.rglob("*.wav"):
        os.utime(path, (0, 0))
    weights = {p: p.stat().st_ino for p in (corpus / "judges").glob("*.safetensors")}
    assert fit(corpus) == before
    assert {p: p.stat().st_ino for p in (corpus / "judges").glob("*.safetensors")} == weights


@pytest.mark.parametrize(
    ("change", "anew"),
    [
        (lambda root: invert(sound(root, "train", "a1")), PARTS),
        (lambda root: relabel(root, "train", "a1"), PARTS),
        (lambda root: write_table(root / "train/utt2spk",
                                  read_table(root / "train/utt2spk") | {"a1": "b"}), PARTS),
        (lambda root: invert(sound(root, "other", "c1")), PARTS[2:]),
        (lambda root: invert(sound(root, "dev", "a3")), PARTS[3:]),
        (lambda root: relabel(root, "dev", "b3"), PARTS[3:]),
    ],
    ids=["audio", "label", "singer", "audio of centroids", "audio of dev", "label of dev"],
)  # fmt: skip
def test_changed_data_under_the_same_ids_is_fitted_anew(corpus, change, anew):
    before = json.loads((corpus / "judges/fitted.json").read_text())
    change(corpus)
    assert changed(before, fit(corpus)) == anew


def test_scores_count_too(corpus):
    before = digest_data(corpus / "train")
    path = Path(read_table(corpus / "train/score.scp")["a1"])
    path.write_text(path.read_text().replace('"tempo": ', '"tempo": 1'))
    assert digest_data(corpus / "train") != before


def describe(root: Path, name: str, genres: dict[str, str]) -> None:
    write_jsonl(
        root / name / "attributes.jsonl",
        [{"utt": utt, "kind": "song", "genre": genre} for utt, genre in genres.items()],
    )


def test_attributes_are_learnt_and_measured_where_they_are(corpus, caplog):
    before = json.loads((corpus / "judges/fitted.json").read_text())
    config = CONFIG + "fit_attributes: {steps: 1, batch_size: 2, crop_frames: 50}\n"
    (corpus / "scoring.yaml").write_text(config)
    assert fit(corpus) == before  # nothing is described
    assert not (corpus / "judges/attribute_judge.yaml").exists()

    describe(corpus, "train", {"a1": "pop", "a2": "pop", "b1": "jazz", "b2": "jazz"})
    describe(corpus, "dev", {"a3": "pop", "b3": "jazz"})
    caplog.clear()
    described = fit(corpus)
    assert changed(before, described) == ["quality"] and described["attributes"]
    quality = json.loads((corpus / "judges/judges.json").read_text())["attribute_quality"]
    assert quality["genre"]["n_utt"] == 2 and 0 <= quality["genre"]["accuracy"] <= 1
    if quality["genre"]["accuracy"] < 0.95:
        assert "genre is heard rightly in 0" in caplog.text and " as " in caplog.text
    assert fit(corpus) == described

    describe(corpus, "dev", {"a3": "jazz", "b3": "jazz"})
    of_dev = fit(corpus)
    assert of_dev["attributes"] == described["attributes"]
    assert of_dev["quality"] != described["quality"]
    describe(corpus, "train", {"a1": "pop", "a2": "pop", "b1": "jazz"})
    assert fit(corpus)["attributes"] != described["attributes"]


def test_more_recordings_need_no_attributes(corpus):
    (corpus / "scoring.yaml").write_text(CONFIG + "fit_attributes: {steps: 1, batch_size: 2}\n")
    describe(corpus, "train", {"a1": "pop", "b1": "jazz"})
    alone = fit(corpus)
    with_more = fit(corpus, "--more_dirs", str(corpus / "other"))
    assert with_more["attributes"] != alone["attributes"]
    assert with_more["recognizer"] != alone["recognizer"]
    assert with_more["embedder"] == alone["embedder"]
