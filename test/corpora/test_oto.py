"""oto.ini: fields, numbers, encodings, and lines that are not like any of it."""

import pytest

from espnet2_ext.corpora.mini.oto import read_oto
from espnet2_ext.corpora.preparer import Rejects
from espnet2_ext.errors import UserError

GOOD = "a.wav=か,100,150.5,-400,120,40"


def read(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "oto.ini"
    path.write_bytes(text.encode(encoding))
    rejects = Rejects()
    return list(read_oto(path, rejects)), rejects.errors


def test_a_line_is_read_in_seconds(tmp_path):
    (line,), errors = read(tmp_path, GOOD + "\r\n\r\n")
    assert not errors and (line.wav, line.alias) == ("a.wav", "か")
    assert line.place.endswith("oto.ini:1")
    times = (line.offset_sec, line.consonant_sec, line.preutterance_sec, line.overlap_sec)
    assert times == pytest.approx((0.1, 0.1505, 0.12, 0.04))
    assert line.end_sec(2.0) == pytest.approx(0.5)  # a negative cutoff counts from the offset


def test_a_cutoff_that_is_not_negative_counts_from_the_end(tmp_path):
    lines, _ = read(tmp_path, "a.wav=か,100,150,200,120,40\nb.wav=か,100,150,0,120,40")
    assert [line.end_sec(2.0) for line in lines] == pytest.approx([1.8, 2.0])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_encodings_of_real_banks(tmp_path, encoding):
    lines, errors = read(tmp_path, "_ああ.wav=- あ,1,2,3,4,5\r\n", encoding)
    assert not errors and (lines[0].wav, lines[0].alias) == ("_ああ.wav", "- あ")


def test_what_a_line_leaves_out(tmp_path):
    (line,), errors = read(tmp_path, "sub\\か.wav=,5,,,1e1,")
    assert not errors and (line.wav, line.alias) == ("sub/か.wav", "か")
    assert (line.offset_sec, line.consonant_sec, line.preutterance_sec) == (0.005, 0, 0.01)


@pytest.mark.parametrize(
    "bad",
    [
        "a.wav",
        "=か,1,2,3,4,5",
        "a.wav=か,1,2,3,4",
        "a.wav=か,1,2,3,4,5,6",
        "a.wav=か,x,2,3,4,5",
        "a.wav=か,nan,2,3,4,5",
        "a.wav=か,inf,2,3,4,5",
        "a.wav=か,1e99,2,3,4,5",
        "a.wav=か,99999999999,2,3,4,5",
        "\x00\x01\x02",
    ],
)
def test_a_damaged_line_costs_itself_alone(tmp_path, bad):
    lines, (error,) = read(tmp_path, f"{GOOD}\n{bad}\n{GOOD}")
    assert len(lines) == 2 and "oto.ini:2" in str(error) and "\n" not in str(error)


def test_another_encoding_is_refused(tmp_path):
    (tmp_path / "oto.ini").write_bytes(b"a.wav=\xff\xfe\x80\x81\xfd,1,2,3,4,5")
    with pytest.raises(UserError, match="neither UTF-8 nor Shift-JIS"):
        list(read_oto(tmp_path / "oto.ini", Rejects()))
