"""Songs of a JSON Lines manifest: a good line survives exactly, a bad one is named by its field."""

import json

import numpy as np
import pytest

from espnet2_ext.audio.wav import write_wav
from espnet2_ext.corpora.song_manifest import prepare
from espnet2_ext.data.data_dir import DataDir, fix, subset
from espnet2_ext.data.described import ATTRIBUTES, INSTRUCTIONS
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_jsonl_table, read_table
from espnet2_ext.lint import lint_data_dir

FS = 16000
SONG = {
    "utt": "s1", "audio": "audio/s1.wav", "lyrics": "你好，世界", "language": "zh",
    "vocal": "audio/s1.v.wav", "accompaniment": "audio/s1.a.wav", "song": "hello", "speaker": "li",
    "instructions": [
        "A slow folk song.", {"lang": "zh", "form": "labelled", "text": "流派：民谣。"},
    ],
    "attributes": {"kind": "song", "genre": "folk", "rhythm": {"bpm": 72, "word": "slow"}},
}  # fmt: skip
TALK = {
    "utt": "t1", "audio": "audio/t1.wav", "language": "en",
    "lyrics": "[S0] hello [S1] good morning",
    "instructions": ["[S0] A man. [S1] A woman."],
    "attributes": {"kind": "dialogue", "speakers": [{"tag": "[S0]"}, {"tag": "[S1]"}]},
}  # fmt: skip


@pytest.fixture
def manifest(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("s1", "s1.v", "s1.a", "s2", "t1"):
        write_wav(tmp_path / f"audio/{name}.wav", 0.1 * rng.normal(size=FS), FS)

    def write(*lines):
        path = tmp_path / "manifest.jsonl"
        texts = [x if isinstance(x, str) else json.dumps(x, ensure_ascii=False) for x in lines]
        path.write_text("\n".join(texts) + "\n", encoding="utf-8")
        return path

    return write


def test_a_data_directory_of_songs_and_dialogues(manifest, tmp_path):
    data = tmp_path / "data/train"
    prepare(manifest(SONG, TALK), data)
    assert not lint_data_dir(data, FS, level="header")
    text = read_table(data / "text")
    assert text == {"s1": "n i h ao sh i j ie", "t1": "[S0] HH AH L OW [S1] G UH D M AO R N IH NG"}
    assert read_table(data / "utt2lang") == {"s1": "zh", "t1": "en"}
    assert read_table(data / "utt2num_spk") == {"s1": "1", "t1": "2"}
    assert list(read_table(data / "vocal.scp")) == ["s1"]
    assert read_table(data / "accompaniment.scp")["s1"].endswith("audio/s1.a.wav")
    attributes = read_jsonl_table(data / ATTRIBUTES)
    assert attributes["s1"]["genre"] == "folk" and attributes["s1"]["lyrics"] == "你好，世界"
    instructions = read_jsonl_table(data / INSTRUCTIONS)["s1"]["instructions"]
    assert instructions == [
        {"lang": "en", "form": "free", "text": "A slow folk song."},
        {"lang": "zh", "form": "labelled", "text": "流派：民谣。"},
    ]


def test_tables_of_descriptions_follow_their_utterances(manifest, tmp_path):
    prepare(manifest(SONG, TALK), tmp_path / "data/train")
    fix(tmp_path / "data/train", tmp_path / "fixed")  # speech has no stems, and stays
    assert DataDir.read(tmp_path / "fixed").utts == ["s1", "t1"]
    subset(tmp_path / "fixed", tmp_path / "one", utts=["t1"])
    assert list(read_jsonl_table(tmp_path / "one" / ATTRIBUTES)) == ["t1"]
    assert read_jsonl_table(tmp_path / "one" / INSTRUCTIONS)["t1"]["instructions"]


def test_lines_that_name_a_set_are_parted(manifest, tmp_path):
    other = {**TALK, "set": "dev"}
    prepare(manifest({**SONG, "set": "train"}, other), tmp_path / "data")
    assert list(read_table(tmp_path / "data/dev/wav.scp")) == ["t1"]
    assert not (tmp_path / "data/dev/vocal.scp").exists()
    with pytest.raises(UserError, match="lines with and without a set"):
        prepare(manifest(SONG, other), tmp_path / "data")


MISTAKES = {
    "no JSON value in a line": '{"utt": "s2",',
    "utt: missing": {"audio": "audio/s2.wav"},
    "utt: 'a b'": {"utt": "a b"},
    "duplicate id 's1'": {**SONG},
    "unknown field 'lyric'": {**SONG, "utt": "s2", "lyric": "x"},
    "audio: no audio": {**SONG, "utt": "s2", "audio": "audio/none.wav"},
    "lyrics in 'xx'": {**SONG, "utt": "s2", "language": "xx"},
    "lyrics: nothing": {**SONG, "utt": "s2", "lyrics": "..."},
    "unknown attribute 'mood'": {**SONG, "utt": "s2", "attributes": {"mood": "sad"}},
    "rhythm is 'slow'": {**SONG, "utt": "s2", "attributes": {"rhythm": "slow"}},
    "kind 'noise'": {**SONG, "utt": "s2", "attributes": {"kind": "noise"}},
    "instructions: missing": {"utt": "s2", "audio": "audio/s2.wav", "lyrics": "你好"},
    "instruction 1: text": {**SONG, "utt": "s2", "instructions": [{"lang": "en"}]},
    "unknown phone 'qq'": {**SONG, "utt": "s2", "text": "n i qq"},
}  # fmt: skip


@pytest.mark.parametrize("named", MISTAKES)
def test_a_bad_line_is_named_and_the_others_survive(manifest, tmp_path, named):
    bad = MISTAKES[named]
    path = manifest(SONG, bad)
    if isinstance(bad, str):
        with pytest.raises(UserError, match=r"manifest\.jsonl:2"):
            prepare(path, tmp_path / "data/train")
        return
    prepare(path, tmp_path / "data/train", max_bad=1.0)
    (line,) = (tmp_path / "data/rejected.txt").read_text().splitlines()
    assert "manifest.jsonl:2" in line and named in line
    assert list(read_table(tmp_path / "data/train/wav.scp")) == ["s1"]


def test_stems_are_as_long_as_their_mix(manifest, tmp_path):
    path = manifest(SONG, {**SONG, "utt": "s2", "vocal": "audio/short.wav"})
    write_wav(tmp_path / "audio/short.wav", np.zeros(FS // 2) + 0.01, FS)
    prepare(path, tmp_path / "data/train", max_bad=1.0)
    (line,) = (tmp_path / "data/rejected.txt").read_text().splitlines()
    assert "vocal: 0.500 s, audio 1.000 s" in line
