import numpy as np
import pytest
import soundfile

from espnet2_ext.bin import data as data_dir_bin
from espnet2_ext.data.data_dir import DataDir, combine, filter_by_length, fix, split, subset
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_table, write_table
from espnet2_ext.score.formats.espnet_format import Entry, read_scores, write_data_dir
from espnet2_ext.score.formats.opencpop import parse_line
from espnet2_ext.score.formats.phone_set import phones_of
from espnet2_ext.score.phones import PHONES

FS = 8000


@pytest.fixture
def data(tmp_path):
    entries = []
    for index in range(6):
        line = f"u{index}|啊|a|G3|{1 + index}|{1 + index}|0"
        utt, score = parse_line(line, "t")
        wav = tmp_path / f"{utt}.wav"
        soundfile.write(wav, 0.3 * np.sin(np.arange(FS * (1 + index)) * 0.3), FS)
        entries.append(Entry(utt, str(wav), "anna" if index < 4 else "bob", score))
    write_data_dir(tmp_path / "in", entries, license_text="CC0")
    return tmp_path / "in"


def utts(path):
    names = [f.name for f in path.iterdir() if f.is_file() and f.name not in ("LICENSE.txt",)]
    assert len(names) == 7
    ids = {tuple(read_table(path / name)) for name in names if name != "spk2utt"}
    assert len(ids) == 1
    pairs = [(u, s) for s, line in read_table(path / "spk2utt").items() for u in line.split()]
    assert sorted(pairs) == sorted(read_table(path / "utt2spk").items())
    return list(ids.pop())


def test_filter_by_length(data, tmp_path):
    assert filter_by_length(data, tmp_path / "out", 2, 4) == ["u0", "u4", "u5"]
    assert utts(tmp_path / "out") == ["u1", "u2", "u3"]
    assert (tmp_path / "out" / "LICENSE.txt").read_text() == "CC0"
    assert list(read_scores(tmp_path / "out")) == ["u1", "u2", "u3"]
    assert filter_by_length(data, tmp_path / "all") == []
    assert len(utts(tmp_path / "all")) == 6
    with pytest.raises(UserError, match="no utterance of .* is left"):
        filter_by_length(data, tmp_path / "none", 100)
    assert not (tmp_path / "none").exists()


def test_tables_of_an_earlier_run_do_not_stay(data, tmp_path):
    out = tmp_path / "out"
    filter_by_length(data, out)
    for name in ("label", "score.scp", "text"):
        (data / name).unlink()  # speech now
    (out / "notes.txt").write_text("somebody's own")
    filter_by_length(data, out)
    assert {p.name for p in out.iterdir()} == {p.name for p in data.iterdir() if p.is_file()} | {
        "notes.txt"
    }


def test_fix_sorts_and_drops(data, tmp_path):
    table = read_table(data / "wav.scp")
    write_table(data / "wav.scp", reversed(table.items()))
    text = read_table(data / "text")
    del text["u1"]
    text["u9"] = "a"
    write_table(data / "text", text)
    (tmp_path / "u3.wav").unlink()
    assert fix(data, data) == ["u1", "u3", "u9"]
    assert utts(data) == ["u0", "u2", "u4", "u5"]


def test_subset(data, tmp_path):
    out = tmp_path / "out"
    assert subset(data, out, utts=["u3", "u1"]) == utts(out) == ["u1", "u3"]
    assert subset(data, out, speakers=["bob"]) == utts(out) == ["u4", "u5"]
    assert subset(data, out, number=2) == utts(out) == ["u0", "u1"]
    drawn = subset(data, out, number=3, seed=1)
    assert drawn == subset(data, out, number=3, seed=1) == utts(out) and len(drawn) == 3
    with pytest.raises(UserError, match="no 'u9'"):
        subset(data, out, utts=["u9"])
    with pytest.raises(UserError, match="no 'carl'"):
        subset(data, out, speakers=["carl"])


def test_split_then_combine(data, tmp_path):
    parts = [tmp_path / "s" / str(i) for i in range(4)]
    assert split(data, parts) == [1, 2, 1, 2]
    assert [utt for part in parts for utt in utts(part)] == utts(data)
    assert combine(parts[::-1], tmp_path / "out") == 6
    for file in data.iterdir():
        if file.is_file():
            assert (tmp_path / "out" / file.name).read_text() == file.read_text(), file.name
    with pytest.raises(UserError, match="8 parts of 6"):
        split(data, parts * 2)
    write_table(parts[0] / "text", {utts(data)[0]: "b"})
    with pytest.raises(UserError, match="is in two directories"):
        combine([data, parts[0]], tmp_path / "out")


def test_segments_keep_their_recordings(data, tmp_path):
    write_table(data / "segments", {f"u{i}": f"r{i % 2} {i} {i + 1.5}" for i in range(6)})
    write_table(data / "wav.scp", {f"r{i}": tmp_path / f"u{i}.wav" for i in range(3)})
    subset(data, tmp_path / "out", utts=["u0", "u2"])
    assert list(read_table(tmp_path / "out" / "wav.scp")) == ["r0"]
    assert list(read_table(tmp_path / "out" / "segments")) == ["u0", "u2"]
    assert filter_by_length(data, tmp_path / "out", max_sec=1.6) == []
    write_table(data / "segments", {f"u{i}": "r0" for i in range(6)})
    with pytest.raises(UserError, match="segments: u0: 'r0'"):
        filter_by_length(data, tmp_path / "out", max_sec=1)


def test_mistakes(tmp_path):
    with pytest.raises(UserError, match="no wav.scp"):
        DataDir.read(tmp_path)


def run(*argv):
    with pytest.raises(SystemExit) as status:
        data_dir_bin.main([str(a) for a in argv])
    return status.value.code


def test_command_line(data, tmp_path, capsys):
    ids = tmp_path / "ids"
    ids.write_text("u1 x\nu2\n")
    out = tmp_path / "out"
    into = ("--in_dir", data, "--out_dir", out)
    assert run("validate", "--data_dir", data) == 0
    assert run("subset", *into, "--utt_list", ids) == 0 and utts(out) == ["u1", "u2"]
    assert run("filter", *into, "--min_sec", 5) == 0 and utts(out) == ["u4", "u5"]
    assert run("fix", *into) == 0 and len(utts(out)) == 6
    assert run("split", *into, "--number", 2) == 0 and utts(out / "2") == ["u3", "u4", "u5"]
    joined = tmp_path / "joined"
    assert run("combine", "--in_dirs", out / "1", out / "2", "--out_dir", joined) == 0
    assert len(utts(joined)) == 6
    (joined / "utt2spk").unlink()
    capsys.readouterr()
    assert run("validate", "--data_dir", joined) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"error: {joined}: no utt2spk (expected a data directory with wav.scp and utt2spk)"
    ]


def test_the_phone_set_goes_along(data, tmp_path):
    (data / "phones.txt").write_text("SP\nAP\na\nb\n")
    filter_by_length(data, tmp_path / "some", 2)
    assert (tmp_path / "some" / "phones.txt").read_text() == "SP\nAP\na\nb\n"
    split(data, [tmp_path / "x", tmp_path / "y"])
    combine([tmp_path / "x", tmp_path / "y"], tmp_path / "same")
    assert phones_of(tmp_path / "same") == ("SP", "AP", "a", "b")
    (tmp_path / "y" / "phones.txt").write_text("SP\nAP\nz\na\n")
    combine([tmp_path / "x", tmp_path / "y"], tmp_path / "joint")
    assert phones_of(tmp_path / "joint") == ("SP", "AP", "a", "b", "z")
    (tmp_path / "y" / "phones.txt").unlink()  # Opencpop's
    combine([tmp_path / "x", tmp_path / "y"], tmp_path / "joint")
    assert set(phones_of(tmp_path / "joint")) == {*PHONES, "b"}
