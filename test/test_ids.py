"""Ids that come with data cannot name a file outside of the folder that is written."""

import json
from pathlib import Path

import numpy as np
import pytest

from espnet2_ext.audio.format import format_data_dir
from espnet2_ext.audio.wav import read_wav, write_wav
from espnet2_ext.errors import UserError
from espnet2_ext.files import ArkWriter, read_table, write_table
from espnet2_ext.ids import MAX_BYTES, check_id
from espnet2_ext.lint import lint_data_dir
from espnet2_ext.score.formats.espnet_format import Entry, write_data_dir, write_scores
from espnet2_ext.score.music_score import MusicScore, Note, Phone

BAD = ["../../victim", "/tmp/victim", "..", ".", "a/b", "a\x00b", "a\x1bb", "x" * 300, "é" * 121]
GOOD = ["a", "...", ".hidden", "-dash", "二泉映月#1", "e\u0301", "a|b", "x" * MAX_BYTES, "é" * 120]


def tone(path: Path, seconds: float = 1.0) -> Path:
    rng = np.random.default_rng(0)
    write_wav(path, 0.1 * rng.standard_normal(round(16000 * seconds)), 16000)
    return path


@pytest.mark.parametrize("name", [*BAD, "", "a b", "a\tb", "a\u3000b", "a\nb"])
def test_what_cannot_name_a_file_is_no_id(name):
    with pytest.raises(UserError, match=r"wav.scp:3: id: .*files are named after it") as error:
        check_id(name, "wav.scp:3")
    assert "\x1b" not in str(error.value) and len(str(error.value)) < 400


@pytest.mark.parametrize("name", GOOD)
def test_what_can_name_a_file_is_an_id(name, tmp_path):
    assert check_id(name, "wav.scp:3") == name
    (tmp_path / f"{name}.json").write_text("{}")
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.json"]
    write_table(tmp_path / "utt2spk", {name: "singer"})
    assert read_table(tmp_path / "utt2spk") == {name: "singer"}


def test_tables_are_parted_by_spaces_or_tabs(tmp_path):
    table = tmp_path / "wav.scp"
    table.write_text("a\t/x y.wav\n  b   /z.wav  \nc\n")
    assert read_table(table) == {"a": "/x y.wav", "b": "/z.wav", "c": ""}


@pytest.mark.parametrize("utt", BAD)
def test_every_table_of_utterances_is_checked_where_it_is_read(utt, tmp_path):
    table = tmp_path / "wav.scp"
    table.write_text(f"a /x.wav\n{utt} /y.wav\n")
    with pytest.raises(UserError, match="wav.scp:2: id"):
        read_table(table)


def test_format_wav_does_not_write_outside_its_folder(tmp_path):
    data, out, victim = tmp_path / "in", tmp_path / "deep/out", tmp_path / "deep/victim.wav"
    data.mkdir()
    before = tone(victim, 0.2).read_bytes()
    utt = "../../victim"  # from deep/out/wav
    write_table(data / "wav.scp", {utt: tone(tmp_path / "a.wav")})
    write_table(data / "utt2spk", {utt: "singer"})
    with pytest.raises(UserError, match="wav.scp:1: id: '../../victim'"):
        format_data_dir(data, out, 16000)
    assert victim.read_bytes() == before
    lines = [str(finding) for finding in lint_data_dir(data, level="header")]
    assert any("wav.scp:1: id: '../../victim'" in line for line in lines)


def test_segments_do_not_either(tmp_path):
    data = tmp_path / "in"
    data.mkdir()
    write_table(data / "wav.scp", {"song": tone(tmp_path / "a.wav")})
    write_table(data / "segments", {"../../victim": "song 0.0 0.5"})
    with pytest.raises(UserError, match="segments:1: id"):
        format_data_dir(data, tmp_path / "out", 16000)
    assert not (tmp_path / "victim.wav").exists()


def test_lint_names_speakers_that_cannot_name_a_folder(tmp_path):
    write_table(tmp_path / "wav.scp", {"a": tone(tmp_path / "a.wav")})
    write_table(tmp_path / "utt2spk", {"a": "../singer"})
    lines = [str(finding) for finding in lint_data_dir(tmp_path, level="header")]
    assert any("utt2spk: speaker: '../singer'" in line for line in lines)


def score() -> MusicScore:
    return MusicScore((Note(0.0, 1.0, 60, "a", ("a",)),), (Phone(0.0, 1.0, "a", 0),))


@pytest.mark.parametrize("utt", ["../../victim", "..", "x" * 300])
def test_scores_of_a_foreign_file_stay_in_the_folder(utt, tmp_path):
    out = tmp_path / "deep/out"
    for write in (
        lambda: write_scores(out, {"good": score(), utt: score()}),
        lambda: write_data_dir(out, [Entry(utt, "/a.wav", "singer", score())]),
        lambda: write_data_dir(out, [Entry("a", "/a.wav", utt, score())]),
    ):
        with pytest.raises(UserError, match="files are named after it"):
            write()
    assert not list(tmp_path.iterdir())


def test_rows_of_systems_and_splits_are_checked(tmp_path):
    from espnet2_ext.bin.score import COLUMNS
    from espnet2_ext.bin.score import read_rows as rows_to_score
    from espnet2_ext.evaluation.page import read_rows as rows_to_show

    table = tmp_path / "systems.tsv"
    for row, field in ((("../x", "test"), "system"), (("a", ".."), "split")):
        cells = [*row, "ref", "wav.scp", "label", "recording"]
        table.write_text("\t".join(COLUMNS) + "\n" + "\t".join(cells) + "\n")
        for read in (lambda: rows_to_score(str(table), "scores"), lambda: rows_to_show(table)):
            with pytest.raises(UserError, match=f"systems.tsv:2: {field}"):
                read()
    table.write_text("\t".join(COLUMNS) + "\na\ttest\n")
    with pytest.raises(UserError, match="systems.tsv:2: 2 cells"):
        rows_to_show(table)


def test_generated_features_with_a_foreign_id_are_refused(tmp_path):
    from espnet2_ext.data.streams import StreamSizes, StreamTables
    from espnet2_ext.listening.systems import read_wavs

    with ArkWriter(tmp_path, "mel") as writer:
        writer["../victim"] = np.zeros((3, 4), np.float32)
    with pytest.raises(UserError, match="mel.scp:1: id"):
        StreamTables({"mel": tmp_path / "mel.scp"}, StreamSizes())
    with pytest.raises(UserError, match="mel.scp:1: id"):
        read_wavs(tmp_path / "mel.scp")


def test_a_key_of_a_listening_test_cannot_name_another_place(tmp_path):
    from espnet2_ext.listening.answers import KEY_FORMAT, VERSION, read_key

    names = ("systems", "splits", "samples", "trials", "sections", "check")
    key = {"format": KEY_FORMAT, "version": VERSION, "test": "../x", **{name: {} for name in names}}
    (tmp_path / "key.json").write_text(json.dumps(key))
    with pytest.raises(UserError, match="key.json: test: '../x'"):
        read_key(tmp_path / "key.json")


def test_formatted_audio_of_odd_ids_comes_back(tmp_path):
    data, out = tmp_path / "in", tmp_path / "out"
    data.mkdir()
    wav = tone(tmp_path / "a.wav")
    write_table(data / "wav.scp", dict.fromkeys(sorted(GOOD), wav))
    assert format_data_dir(data, out, 16000) == len(GOOD)
    for path in read_table(out / "wav.scp").values():
        assert len(read_wav(path)[0]) == 16000
