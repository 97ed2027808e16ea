import pytest

from espnet2_ext.bin.convert_score import main
from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.read import read_score


def run(*argv):
    with pytest.raises(SystemExit) as stop:
        main([str(value) for value in argv])
    return stop.value.code


UST = "[#SETTING]\nTempo=100\n" + "".join(
    f"[#{i:04d}]\nLength=480\nLyric={lyric}\nNoteNum=60\n"
    for i, lyric in enumerate(("R", "wo", "+", "AP", "ai"))
)


def test_says_in_one_line_what_is_lost(tmp_path, caplog, capsys):
    (tmp_path / "a.ust").write_text(UST)
    assert run(tmp_path / "a.ust", tmp_path / "a.ustx") == 0
    assert not caplog.records
    assert capsys.readouterr().out == f"{tmp_path}/a.ustx\n"
    assert run(tmp_path / "a.ustx", tmp_path / "a.txt") == 0
    (warning,) = caplog.messages
    assert "a.txt does not hold: phone times: none" in warning and "; tempo 100:" in warning
    assert read_score(tmp_path / "a.ustx") == read_score(tmp_path / "a.ust")


@pytest.mark.parametrize("name", ["a.m4singer.json", "a.gtsinger.json", "a.txt", "a", "a.v2/"])
def test_ids_and_directories(tmp_path, name):
    (tmp_path / "a.ust").write_text(UST)
    (tmp_path / "a.v2").mkdir()
    out = f"{tmp_path}/{name}"
    assert run(tmp_path / "a.ust", out if "gts" in name else f"{out}#u#1") == 0
    score = read_score(out)
    assert [n.lyric for n in score.notes] == ["", "wo", "—", "", "ai"] and score.phones
    if "gts" not in name:
        assert read_score(f"{out}#u#1") == score
        with pytest.raises(UserError, match="no utterance 'u2' .expected an id"):
            read_score(f"{out}#u2")
    assert run(out, tmp_path / "b.json") == 0
    assert read_score(tmp_path / "b.json") == score


def test_a_data_directory_is_not_overwritten(tmp_path, capsys):
    (tmp_path / "a.ust").write_text(UST)
    assert run(tmp_path / "a.ust", f"{tmp_path}/d#u1") == 0
    assert run(tmp_path / "a.ust", f"{tmp_path}/d#u1") == 0
    assert run(tmp_path / "a.ust", f"{tmp_path}/d#u2") == 2
    assert "a data directory already" in capsys.readouterr().err
    assert run(f"{tmp_path}/d", tmp_path / "b.ust") == 0


def test_mistakes(tmp_path, capsys):
    (tmp_path / "a.ust").write_text(UST)
    assert run(tmp_path / "a.ust", tmp_path / "a.xyz") == 2
    assert "suffix '.xyz'" in capsys.readouterr().err
    assert run(tmp_path / "a.ust", tmp_path / "b.ust", "--verse", 2) == 2
    assert "verse: given for a .ust file (expected language)" in capsys.readouterr().err
    assert not (tmp_path / "b.ust").exists()
