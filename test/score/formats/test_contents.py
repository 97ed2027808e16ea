"""Files that are empty, or named after another format than they hold."""

import json
import shutil
import zipfile

import pytest

from espnet2_ext.bin.convert_score import main
from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.contents import suffix_of_contents
from espnet2_ext.score.formats.read import read_score
from espnet2_ext.score.formats.suffixes import FORMATS
from espnet2_ext.score.formats.write import write_score
from espnet2_ext.score.music_score import MusicScore, Note

from . import (
    test_ccs,
    test_mono_label,
    test_notation,
    test_svp,
    test_tssln,
    test_vpr,
    test_vsqx,
    test_vvproj,
)

SCORE = MusicScore((Note(0, 1, 60, "wo", ("w", "o")), Note(1, 2, 62, "ai", ("ai",))))
SUFFIXES = [suffix for known in FORMATS for suffix in known.suffixes]


def run(*argv):
    with pytest.raises(SystemExit) as stop:
        main([str(value) for value in argv])
    return stop.value.code


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_empty_file_is_named_as_such(tmp_path, suffix, capsys):
    path = tmp_path / f"a{suffix}"
    path.touch()
    assert run(path, tmp_path / "b.json") == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and f"a{suffix}: an empty file (expected " in message
    assert not (tmp_path / "b.json").exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("upper", [False, True])
def test_a_file_that_is_not_there(tmp_path, suffix, upper):
    path = tmp_path / f"a{suffix.upper() if upper else suffix}"
    with pytest.raises(UserError, match=f"^{path}: "):
        read_score(path)


WRITTEN = [".musicxml", ".mid", ".ust", ".ustx", ".TextGrid"]
FOREIGN = {
    ".vvproj": json.dumps(test_vvproj.PROJECT).encode(),
    ".tssln": test_tssln.project(),
    ".vsqx": test_vsqx.VSQ4.encode(),
    ".mei": test_notation.MEI.encode(),
    ".krn": test_notation.KERN.encode(),
    ".pdf": b"%PDF-1.7\n",
    ".wav": b"RIFF\0\0\0\0WAVEfmt ",
}


def as_bytes(folder, suffix):
    if suffix in FOREIGN:
        return FOREIGN[suffix]
    write_score(folder / f"whole{suffix}", SCORE)
    return (folder / f"whole{suffix}").read_bytes()


@pytest.mark.parametrize("own", [*WRITTEN, *FOREIGN])
def test_a_wrong_suffix_is_told_from_the_contents(tmp_path, own):
    data = as_bytes(tmp_path, own)
    for other in (".mid", ".musicxml", ".ust", ".svp", ".xyz"):
        path = tmp_path / f"b{other}"
        path.write_bytes(data)
        if other == own:
            continue
        with pytest.raises(UserError, match=f"the file looks like a {own}: name it so") as raised:
            read_score(path)
        assert "\n" not in str(raised.value)


def test_archives(tmp_path):
    write_score(tmp_path / "a.musicxml", SCORE)
    with zipfile.ZipFile(tmp_path / "a.mxl", "w") as archive:
        archive.writestr("META-INF/container.xml", "<container/>")
    with zipfile.ZipFile(tmp_path / "a.vpr", "w") as archive:
        archive.writestr("Project/sequence.json", json.dumps(test_vpr.PROJECT))
    assert suffix_of_contents(tmp_path / "a.mxl") == ".mxl"
    assert suffix_of_contents(tmp_path / "a.vpr") == ".vpr"
    assert suffix_of_contents(tmp_path / "none") is None


def test_a_mistake_in_the_right_format_has_no_hint(tmp_path):
    path = tmp_path / "a.musicxml"
    write_score(path, SCORE)
    path.write_text(path.read_text().replace("<lyric", "<verse").replace("</lyric", "</verse"))
    with pytest.raises(UserError) as raised:
        read_score(path)
    assert "looks like" not in str(raised.value)


UPPER = {
    "a.SVP": json.dumps(test_svp.PROJECT).encode(),
    "a.CCS": test_ccs.CCS.encode(),
    "a.TSSLN": test_tssln.project(),
    "a.VvProj": json.dumps(test_vvproj.PROJECT).encode(),
    "song.LAB": test_mono_label.lines(test_mono_label.LABEL).encode(),
}


@pytest.mark.parametrize("name", UPPER)
def test_suffixes_in_capitals(tmp_path, name):
    (tmp_path / "song.UST").write_text(test_mono_label.UST, encoding="utf-8")
    (tmp_path / name).write_bytes(UPPER[name])
    capitals = read_score(tmp_path / name)
    small = tmp_path / "small"
    small.mkdir()
    shutil.copy(tmp_path / "song.UST", small / "song.ust")
    (small / name.lower()).write_bytes(UPPER[name])
    assert read_score(small / name.lower()) == capitals
