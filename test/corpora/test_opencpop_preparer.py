"""The Opencpop preparer on a small corpus in Opencpop's layout, whole and with planted mistakes."""

import shutil

import numpy as np
import pytest

from espnet2_ext.audio.wav import write_wav
from espnet2_ext.bin import prepare as prepare_cli
from espnet2_ext.corpora.opencpop import OPENCPOP_SINGER, prepare
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_table
from espnet2_ext.score.formats.espnet_format import read_scores

from .layouts import write_opencpop

SONGS = tuple(str(2001 + i) for i in range(20))


@pytest.fixture
def corpus(tmp_path):
    """Three songs of two utterances; the third is the test song. No dev, no speakers: Opencpop."""
    write_opencpop(tmp_path / "opencpop", SONGS[:3], song_per=2, fs=8000)
    return tmp_path / "opencpop"


def test_prepares_opencpop_proper(corpus, tmp_path):
    out = tmp_path / "data"
    prepared = prepare(corpus, out, dev_songs=1)
    assert {item.name: item.n_utterances for item in prepared} == {"dev": 2, "test": 2, "train": 2}
    assert list(read_table(out / "train" / "wav.scp")) == ["2001000001", "2001000002"]
    assert list(read_table(out / "dev" / "wav.scp")) == ["2002000001", "2002000002"]
    assert set(read_table(out / "test" / "utt2spk").values()) == {OPENCPOP_SINGER}
    assert "NC" in (out / "test" / "LICENSE.txt").read_text()
    score = read_scores(out / "test")["2003000001"]
    assert score.tempo == pytest.approx(100, abs=0.01)
    assert [note.midi for note in score.notes] == [63, 62, 0]
    assert score.notes[1].start_sec == pytest.approx(0.5)
    assert score.phones[2].start_sec == pytest.approx(0.45)  # k leads the beat
    assert not (out / "test" / "true_f0.scp").exists()
    slur = read_scores(out / "test")["2003000002"]
    assert [note.slur for note in slur.notes] == [False, True, False]


def test_reads_dev_speakers_speech_licence_and_f0_where_present(corpus, tmp_path):
    segments = corpus / "segments"
    train = (segments / "train.txt").read_text().splitlines()
    (segments / "dev.txt").write_text("\n".join(train[2:]) + "\n")
    (segments / "train.txt").write_text("\n".join(train[:2]) + "\n")
    utts = [
        text.split("|")[0] for text in (segments / "transcriptions.txt").read_text().splitlines()
    ]
    (segments / "utt2spk").write_text("".join(f"{utt} singer{utt[3]}\n" for utt in utts))
    (segments / "f0").mkdir()
    for utt in utts:
        np.save(segments / "f0" / f"{utt}.npy", np.ones(150))
    (corpus / "LICENSE").write_text("mine\n")
    speech = corpus / "speech"
    write_wav(speech / "wavs" / "s1.wav", np.full(800, 0.1), 8000)
    (speech / "transcriptions.txt").write_text("s1|你好|ni3 hao3\n")
    (speech / "utt2spk").write_text("s1 singer1\n")
    out = tmp_path / "data"
    prepare(corpus, out)
    assert read_table(out / "dev" / "utt2spk")["2002000001"] == "singer2"
    assert (out / "dev" / "LICENSE.txt").read_text() == "mine\n"
    assert len(read_table(out / "dev" / "true_f0.scp")) == 2
    assert read_table(out / "speech" / "text") == {"s1": "n i h ao"}


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


# What stands in a line of its own, what it becomes, and how the line is named.
TWO = "2002000002|啊|a a SP|C4 D4 rest|0.5 0.5 0.3|0.5 0.45 0.35|0 1 0"
MISTAKES = {
    "unknown phone": ("transcriptions", TWO, TWO.replace("SP", "qq"), ":5: phones: item 3"),
    "wrong count": ("transcriptions", TWO, TWO.replace("C4 D4", "C4"), ":5: notes: 2 items"),
    "negative": ("transcriptions", TWO, TWO.replace("0.3", "-0.3"), ":5: note durations: item 3"),
    "nan": ("transcriptions", TWO, TWO.replace("0.45", "nan"), ":5: phone durations: item 2"),
    "note and phone": ("transcriptions", TWO, TWO.replace("rest", "E4"), ":5: notes: item 3"),
    "slur at the start": ("transcriptions", TWO, TWO.replace("|0 1 0", "|1 1 0"), ":5: slurs"),
    "past the end": (
        "transcriptions",
        TWO,
        TWO.replace("0.35", "9.35"),
        ":5: audio: label ends at 10.300 s, audio at 1.300 s",
    ),
    "duplicate": ("transcriptions", TWO, f"{TWO}\n{TWO}", ":6: id: duplicate id"),
    "unknown id": ("train", "2002000002|", "2099000002|", "train.txt:5: id"),
    "in two splits": ("train", "2002000002|", "2020000001|", "train.txt:5: id"),
}


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """A corpus large enough for a bad line or two, and what is made of it."""
    root = tmp_path_factory.mktemp("large")
    write_opencpop(root / "corpus", SONGS, n_test=5, fs=8000)
    sizes = {item.name: item.n_utterances for item in prepare(root / "corpus", root / "data", 1)}
    assert sizes == {"train": 42, "dev": 3, "test": 15}
    assert (root / "data" / "rejected.txt").read_text() == ""
    return root / "corpus", tables(root / "data")


def tables(data):
    """Every line of every table of every set, but for the folder that it names."""
    return {
        (name, utt): value.replace(str(data.parent), "")
        for split in ("train", "dev", "test")
        for name in ("wav.scp", "text", "label", "score.scp", "utt2spk", "utt2lang")
        for utt, value in read_table(data / split / name).items()
    } | {
        utt: score
        for split in ("train", "dev", "test")
        for utt, score in read_scores(data / split).items()
    }


@pytest.mark.parametrize("name", MISTAKES)
def test_a_bad_line_is_named_and_the_others_survive_exactly(large, tmp_path, name):
    corpus = tmp_path / "corpus"
    shutil.copytree(large[0], corpus)
    file, old, new, named = MISTAKES[name]
    edit(corpus / "segments" / f"{file}.txt", old, new)
    prepare(corpus, tmp_path / "data", 1)
    (line,) = (tmp_path / "data" / "rejected.txt").read_text().splitlines()
    assert f"{file}.txt" in line and named in line
    lost = () if name == "duplicate" else ("2002000002",)
    left = {key: value for key, value in large[1].items() if not set(lost) & {key, key[1]}}
    assert tables(tmp_path / "data") == left


def test_missing_files_of_a_line_are_its_mistakes(large, tmp_path):
    corpus = tmp_path / "corpus"
    shutil.copytree(large[0], corpus)
    (corpus / "segments/wavs/2001000002.wav").unlink()
    (corpus / "segments/wavs/2003000001.wav").write_bytes(b"RIFF")
    (corpus / "raw_data/midis/2002.midi").unlink()
    midi = corpus / "raw_data/midis/2004.midi"
    midi.write_bytes(midi.read_bytes()[:10])
    utts = [path.stem for path in sorted((corpus / "segments/wavs").iterdir())]
    singers = "".join(f"{utt} anna\n" for utt in utts if utt != "2005000003")
    (corpus / "segments/utt2spk").write_text(singers)
    prepare(corpus, tmp_path / "data", 1, max_bad=0.2)
    lines = (tmp_path / "data" / "rejected.txt").read_text().splitlines()
    places = [int(line.partition(".txt:")[2].partition(":")[0]) for line in lines]
    assert places == [2, 4, 5, 6, 7, 10, 11, 12, 15]
    assert "2: audio: no audio" in lines[0] and "tempo: no " in lines[1]
    assert "not readable as audio" in lines[4] and "not readable as MIDI" in lines[5]
    assert "id: no singer for '2005000003'" in lines[8]
    assert len(read_scores(tmp_path / "data/train")) == 42 - 9


def test_too_many_bad_lines_or_an_empty_set_end_it(corpus, tmp_path, capsys):
    edit(corpus / "segments/transcriptions.txt", "2001000002|啊|a a", "2001000002|啊|a qq")
    edit(corpus / "segments/transcriptions.txt", "2002000002|啊|a a", "2002000002|啊|a qq")
    out = tmp_path / "data"
    with pytest.raises(SystemExit) as stop:
        prepare_cli.main(
            ["opencpop", "--corpus", str(corpus), "--out", str(out), "--dev_songs", "1"]
        )
    assert stop.value.code == 2
    error = capsys.readouterr().err.strip()
    assert "rejected.txt: 2 of 6 lines cannot be used, the first as" in error
    assert "transcriptions.txt:2: phones" in error and error.count("\n") == 0
    assert [path.name for path in out.iterdir()] == ["rejected.txt"]
    for utt in ("2003000001", "2003000002"):
        (corpus / f"segments/wavs/{utt}.wav").unlink()
    with pytest.raises(UserError, match="data/test: no utterance .expected at least one; .*says"):
        prepare(corpus, out, dev_songs=1, max_bad=1)
    assert [path.name for path in out.iterdir()] == ["rejected.txt"]


def test_what_the_layout_lacks_is_named(corpus, tmp_path):
    with pytest.raises(UserError, match="2 songs, 5 asked for dev"):
        prepare(corpus, tmp_path / "data")
    for name, expected in (
        ("raw_data/midis", r"<song>\.midi of every song"),
        ("segments/test.txt", "Opencpop's layout: segments/"),
        ("segments/wavs", "Opencpop's layout"),
    ):
        (corpus / name).rename(tmp_path / "away")
        with pytest.raises(UserError, match=rf"{name}: not there .*{expected}"):
            prepare(corpus, tmp_path / "data", 1)
        (tmp_path / "away").rename(corpus / name)
    assert not (tmp_path / "data").exists()
