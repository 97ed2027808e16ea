"""The ACE-Opencpop preparer on parquet shards and on the raw release, whole and with mistakes."""

import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from espnet2_ext.audio.format import format_data_dir
from espnet2_ext.bin import prepare as prepare_cli
from espnet2_ext.corpora import acesinger_raw
from espnet2_ext.corpora.acesinger import prepare
from espnet2_ext.corpora.acesinger_common import end_rests_at
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_table
from espnet2_ext.lint import lint_data_dir
from espnet2_ext.score.formats.espnet_format import read_scores
from espnet2_ext.score.formats.opencpop import parse_line
from espnet2_ext.score.music_score import MusicScore, Note, Phone

from .layouts import (
    OPENCPOP_LINES,
    acesinger_row,
    wav_bytes,
    write_acesinger_parquet,
    write_acesinger_raw,
    write_parquet,
)

FS = 8000
SHORT = wav_bytes(np.full(FS, 0.1), FS)


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    root = tmp_path_factory.mktemp("ace")
    write_acesinger_parquet(root / "parquet", FS)
    return root


@pytest.fixture(scope="module")
def whole(shards, tmp_path_factory):
    data = tmp_path_factory.mktemp("whole")
    prepare(shards, data)
    return tables(data)


def tables(data):
    """Every line of every table and every score, but for the folder that it names."""
    lines = {
        (split, name, utt): value.replace(str(data), "")
        for split in ("train", "validation", "test")
        for name in ("wav.scp", "text", "label", "score.scp", "utt2spk", "utt2lang")
        for utt, value in read_table(data / split / name).items()
    }
    return lines | {
        u: s for split in ("train", "test") for u, s in read_scores(data / split).items()
    }


def test_shards_become_data_directories(shards, tmp_path):
    sizes = {item.name: item.n_utterances for item in prepare(shards, tmp_path)}
    assert sizes == {"train": 12, "validation": 3, "test": 3}
    wavs = read_table(tmp_path / "train/wav.scp")
    assert list(wavs)[:2] == ["acesinger_1#2001000001", "acesinger_1#2001000002"]
    original = acesinger_row(1, "2001000001", FS)
    with open(wavs["acesinger_1#2001000001"], "rb") as file:
        assert file.read() == original["audio"]["bytes"]
    assert len(list(tmp_path.rglob("*.wav"))) == 18  # each recording once
    assert read_table(tmp_path / "train/utt2spk")["acesinger_30#2002000003"] == "30"
    score = read_scores(tmp_path / "train")["acesinger_1#2001000001"]
    _, wanted = parse_line(OPENCPOP_LINES[0].format("u"), "u", 80)
    assert score.notes == wanted.notes and score.tempo == 80
    assert [(p.phone, p.note) for p in score.phones] == [(p.phone, p.note) for p in wanted.phones]
    ends = [p.end_sec for p in wanted.phones]
    assert [p.end_sec for p in score.phones] == pytest.approx(ends, abs=1e-6)
    assert [n.lyric for n in read_scores(tmp_path / "test")["acesinger_2#2004000002"].notes][
        1
    ] == "—"
    for split in sizes:
        assert "CC BY-NC 4.0" in (tmp_path / split / "LICENSE.txt").read_text()
    assert (shards / "parquet/train-00000-of-00002.parquet").exists()


def change(row, **columns):
    return {**row, **columns}


def at(values, index, value):
    return [*values[:index], value, *values[index + 1 :]]


# One row of train-00001: what is made of it, and how it is named.
MISTAKES = {
    "wrong count": (lambda r: change(r, note_midi=r["note_midi"][:-1]), "note_phns: 3 items"),
    "negative": (
        lambda r: change(r, phn_end_time=at(r["phn_end_time"], 1, -1.0)),
        "phn_end_time: item 2 is -1.0",
    ),
    "nan": (
        lambda r: change(r, note_end_times=at(r["note_end_times"], 0, float("nan"))),
        "note_end_times: item 1 is nan",
    ),
    "no audio": (lambda r: change(r, audio={"bytes": None, "path": "x.wav"}), "audio: no audio"),
    "broken audio": (
        lambda r: change(r, audio={"bytes": b"RIFF", "path": ""}),
        "audio: not readable",
    ),
    "note and phone": (
        lambda r: change(r, note_phns=at(r["note_phns"], 1, "k")),
        "phones of the score",
    ),
    "rest and phone": (lambda r: change(r, note_midi=at(r["note_midi"], 2, 60.0)), "rest and sung"),
    "label and phone": (lambda r: change(r, label=r["label"].replace("eng", "ang")), "label: item"),
    "past the end": (
        lambda r: change(r, audio={"bytes": SHORT, "path": "x.wav"}),
        "audio: label ends at 1.200 s, audio at 1.000 s",
    ),
    "slur at the start": (
        lambda r: change(r, note_lyrics=["—", *r["note_lyrics"][1:]]),
        "note 0: a slur without",
    ),
    "duplicate": (lambda r: change(r, segment_id="acesinger_1#2001000002"), "id: duplicate id"),
    "unknown singer": (
        lambda r: change(r, segment_id="acesinger_31#2002000001", singer=31),
        "singer: unknown singer 31",
    ),
    "other singer": (lambda r: change(r, singer=7), "singer: 7 in 'acesinger_1#2002000001'"),
    "unknown phone": (
        lambda r: change(r, phn=["qq", *r["phn"][1:]], label=r["label"].replace(" f ", " qq ", 1)),
        "phn: item 1: unknown phone 'qq'",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_bad_row_is_named_and_the_others_survive_exactly(shards, whole, tmp_path, name):
    (tmp_path / "corpus").mkdir()
    shutil.copytree(shards / "parquet", tmp_path / "corpus/parquet")
    spoil, named = MISTAKES[name]
    rows = [acesinger_row(1, f"200200000{i}", FS) for i in (1, 2, 3)]
    rows += [acesinger_row(30, f"200200000{i}", FS) for i in (1, 2, 3)]
    rows[0] = spoil(rows[0])
    write_parquet(tmp_path / "corpus/parquet/train-00001-of-00002.parquet", rows)
    prepare(tmp_path / "corpus", tmp_path / "data", max_bad=0.1)
    (line,) = (tmp_path / "data/rejected.txt").read_text().splitlines()
    assert line.startswith("train-00001-of-00002.parquet:1: ") and named in line
    lost = "acesinger_1#2002000001"
    left = {key: value for key, value in whole.items() if lost not in (key, key[-1])}
    assert tables(tmp_path / "data") == left
    assert not (tmp_path / "data/train/wav" / f"{lost}.wav").exists()


def test_a_killed_run_goes_on_with_the_shard_it_was_in(shards, whole, tmp_path):
    corpus = tmp_path / "corpus"
    shutil.copytree(shards / "parquet", corpus / "parquet")
    first = corpus / "parquet/train-00000-of-00002.parquet"
    killer = (
        "import os, signal, sys\n"
        "from espnet2_ext.corpora import acesinger_parquet as ace\n"
        "read = ace.read_row\n"
        "def dies(row, place):\n"
        "    if row['segment_id'].startswith('acesinger_1#2002000002'):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return read(row, place)\n"
        "ace.read_row = dies\n"
        "ace.prepare(sys.argv[1], sys.argv[2])\n"
    )
    command = [sys.executable, "-c", killer, str(corpus), str(tmp_path / "data")]
    assert subprocess.run(command, timeout=60).returncode == -signal.SIGKILL
    order = sorted(path.parent.name for path in tmp_path.glob("data/shards/*/done.json"))
    assert "train-00000-of-00002" in order and "train-00001-of-00002" not in order
    assert not (tmp_path / "data/train/wav.scp").exists()
    first.write_bytes(b"not parquet any more")  # it is not read again
    prepare(corpus, tmp_path / "data")
    assert tables(tmp_path / "data") == whole


def test_shards_of_the_hub_are_fetched_one_by_one_and_deleted(shards, whole, tmp_path, monkeypatch):
    import huggingface_hub

    fetched = []

    def fetch(repository, file, *, repo_type, local_dir):
        assert repository == "espnet/ace-opencpop-segments" and repo_type == "dataset"
        assert not list(tmp_path.glob("corpus/**/*.parquet"))  # the one before is gone
        target = local_dir / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(shards / "parquet" / target.name, target)
        fetched.append(target.name)
        return str(target)

    names = [f"data/{p.name}" for p in (shards / "parquet").iterdir()]
    monkeypatch.setattr(
        huggingface_hub.HfApi, "list_repo_files", lambda *a, **o: ["README.md", *names]
    )
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    prepare(tmp_path / "corpus", tmp_path / "data")
    assert len(fetched) == 4 and not list(tmp_path.glob("corpus/**/*.parquet"))
    prepare(tmp_path / "corpus", tmp_path / "data")
    assert len(fetched) == 4
    assert tables(tmp_path / "data") == whole


def test_without_network_one_line_says_what_to_do(tmp_path, monkeypatch, capsys):
    import huggingface_hub

    def unreachable(*args, **options):
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", unreachable)
    with pytest.raises(SystemExit) as stop:
        prepare_cli.main(["acesinger", "--corpus", str(tmp_path / "ace"), "--out", str(tmp_path)])
    assert stop.value.code == 2
    error = capsys.readouterr().err.strip()
    assert error.count("\n") == 0
    for words in ("espnet/ace-opencpop-segments (CC BY-NC 4.0)", "ace/parquet by hand"):
        assert words in error


def test_a_shard_that_is_bad_throughout_ends_it_at_once(shards, tmp_path):
    rows = [{**acesinger_row(1, f"200400000{i}", FS), "singer": 0} for i in (1, 2, 3)]
    shutil.copytree(shards / "parquet", tmp_path / "parquet")
    write_parquet(tmp_path / "parquet/test-00000-of-00001.parquet", rows)  # the first by name
    expected = "test-.*: 3 of 3 rows cannot be used, the first as test-.*:1: singer: 0 in"
    with pytest.raises(UserError, match=expected):
        prepare(tmp_path, tmp_path / "data")
    assert not list(tmp_path.glob("data/shards/*"))


def test_wrong_shards_are_named(shards, tmp_path):
    shutil.copytree(shards / "parquet", tmp_path / "parquet")
    (tmp_path / "parquet/validation-00000-of-00001.parquet").unlink()
    with pytest.raises(UserError, match="no validation-.*parquet"):
        prepare(tmp_path, tmp_path / "data")
    (tmp_path / "parquet/validation-00000-of-00001.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="validation-00000-of-00001.parquet: not readable"):
        prepare(tmp_path, tmp_path / "data")


def test_rests_end_with_the_audio():
    _, score = parse_line(OPENCPOP_LINES[0].format("u"), "u")
    assert end_rests_at(score, 9.0) == score
    cut = end_rests_at(score, 1.3)
    assert cut.phones[-1].end_sec == cut.notes[-1].end_sec == 1.3
    gone = end_rests_at(score, 1.21)
    assert gone.notes == score.notes[:-1] and gone.phones == score.phones[:-1]
    assert end_rests_at(score, 0.5) == gone  # what is sung stays


@pytest.mark.parametrize("end_sec", [-0.5, 0.0, 0.01, 0.019, 0.5, 0.98, 1.2, 1.5])
@pytest.mark.parametrize("symbols", [("SP",), ("SP", "AP"), ("AP", "SP", "SP")])
def test_a_score_of_rests_alone_keeps_one(symbols, end_sec):
    """A cut of silence shorter than a rest was an IndexError."""
    for notes in (
        tuple(Note(k, k + 1, 0, "", (s,)) for k, s in enumerate(symbols)),
        (Note(0, len(symbols), 0, "", symbols),),
    ):
        phones = tuple(Phone(k, k + 1, s, min(k, len(notes) - 1)) for k, s in enumerate(symbols))
        cut = end_rests_at(MusicScore(notes, phones), end_sec)
        kept = max(1, sum(p.start_sec <= end_sec - 0.02 for p in phones))
        assert [p.phone for p in cut.phones] == list(symbols[:kept])
        expected = min(max(end_sec, 0.0), float(len(symbols)))
        if len(symbols) > end_sec + 0.1:
            assert cut.duration_sec == pytest.approx(
                max(expected, cut.phones[-1].start_sec), abs=0.02
            )


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    root = tmp_path_factory.mktemp("raw")
    write_acesinger_raw(root, ("2001", "2002", "2026", "2003"), (1, 12), FS)
    return root


def test_raw_songs_are_cut_by_their_midi(raw, tmp_path):
    acesinger_raw.prepare(raw, tmp_path, n_validation=2)
    assert (tmp_path / "rejected.txt").read_text() == ""
    segments = read_table(tmp_path / "train/segments")
    assert len(segments) == 10 and len(read_table(tmp_path / "validation/segments")) == 2
    assert set(read_table(tmp_path / "test/utt2spk").values()) == {"1", "12"}
    assert not any("2026" in utt for utt in segments)
    assert segments["acesinger_1#2001000001"] == "acesinger_1_2001 0.000000 1.500000"
    # 1.5 s and half a second of silence, then the second utterance
    recording, start, end = segments["acesinger_1#2001000002"].split()
    assert float(start) == pytest.approx(2.0, abs=0.01) and float(end) == pytest.approx(
        3.3, abs=0.01
    )
    assert recording in read_table(tmp_path / "train/wav.scp")
    # stage 2 cuts, and finds nothing wrong with the cuts
    assert format_data_dir(tmp_path / "train", tmp_path / "cut", FS) == 10
    assert lint_data_dir(tmp_path / "cut") == []
    cut = soundfile.info(tmp_path / "cut/wav/acesinger_12#2001000002.wav")
    assert cut.duration == pytest.approx(float(end) - float(start), abs=1e-3)
    assert "CC BY-NC 4.0" in (tmp_path / "test/LICENSE.txt").read_text()


def test_raw_mistakes_are_named(raw, tmp_path):
    corpus = tmp_path / "corpus"
    shutil.copytree(raw, corpus)
    (corpus / "lyrics/12 anna/2002/2002.wav").unlink()
    shutil.copytree(corpus / "lyrics/1 anna", corpus / "lyrics/31 eve")
    lines = corpus / "segments/transcriptions.txt"
    lines.write_text(
        lines.read_text().replace("2001000002|啊|a a SP|C4 D4", "2001000002|啊|a a SP|C4 E4")
    )
    acesinger_raw.prepare(corpus, tmp_path / "data", max_bad=0.5, n_validation=2)
    found = (tmp_path / "data/rejected.txt").read_text().splitlines()
    assert "unknown singer 31" in found[0]
    assert sum(":2: notes: its notes do not follow" in line for line in found) == 2
    assert sum("audio: no audio" in line and "12 anna/2002" in line for line in found) == 3
    assert len(found) == 6


def test_cuts_made_before_are_taken(raw, tmp_path):
    corpus = tmp_path / "corpus"
    shutil.copytree(raw, corpus)
    ready = corpus / "lyrics/segments"
    ready.mkdir()
    for singer in (1, 12):
        for song in ("2001", "2002", "2003"):
            for i in (1, 2, 3):
                soundfile.write(ready / f"{singer}#{song}00000{i}.wav", np.full(12400, 0.1), FS)
    acesinger_raw.prepare(corpus, tmp_path / "data", n_validation=2)
    assert not (tmp_path / "data/train/segments").exists()
    assert len(read_table(tmp_path / "data/train/wav.scp")) == 10
