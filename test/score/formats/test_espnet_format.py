import json

import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_table
from espnet2_ext.score.formats.espnet_format import Entry, read_scores, write_data_dir
from espnet2_ext.score.formats.opencpop import parse_line
from espnet2_ext.score.formats.phone_set import phones_of
from espnet2_ext.score.phones import PHONES

LINES = [
    "u2|我|SP w o o|rest C4 C4 D4|0.5 1 1 .5|0.4 0.15 0.95 .5|0 0 0 1",
    "u1|啊|AP a|rest G3|0.25 1|0.25 1|0 0",
]


@pytest.fixture
def scores():
    return dict(parse_line(line, "t", tempo=100) for line in LINES)


def write(path, scores):
    entries = [Entry(utt, f"wavs/{utt}.wav", "anna", score) for utt, score in scores.items()]
    write_data_dir(path, entries, license_text="CC0")


def test_round_trip_and_sorted(tmp_path, scores):
    write(tmp_path, scores)
    again = read_scores(tmp_path)
    assert list(again) == ["u1", "u2"]
    assert again == scores
    assert (tmp_path / "text").read_text() == "u1 AP a\nu2 SP w o o\n"
    assert read_table(tmp_path / "spk2utt") == {"anna": "u1 u2"}
    assert read_table(tmp_path / "utt2lang") == {"u1": "zh", "u2": "zh"}
    assert (tmp_path / "LICENSE.txt").read_text() == "CC0"


def test_espnet_reads_it(tmp_path, scores):
    read_text = pytest.importorskip("espnet2.fileio.read_text")
    score_scp = pytest.importorskip("espnet2.fileio.score_scp")
    write(tmp_path, scores)
    score = score_scp.SingingScoreReader(tmp_path / "score.scp")["u2"]
    assert score["tempo"] == 100
    assert score["item_list"] == ["st", "et", "lyric", "midi", "phns"]
    assert score["note"][1:] == [[0.5, 1.5, "我", 60, "w_o"], [1.5, 2.0, "—", 62, "o"]]
    times, phones = zip(
        *[(row[:2], row[2]) for row in read_text.read_label(tmp_path / "label")["u2"]], strict=True
    )
    assert phones == ("SP", "w", "o", "o")
    assert [float(t) for t in times[1]] == [0.4, 0.55]


def test_speech(tmp_path):
    write_data_dir(tmp_path, [Entry("s1", "s1.wav", "bob", text="ni hao")])
    assert (tmp_path / "text").read_text() == "s1 ni hao\n"
    assert not (tmp_path / "label").exists()


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("label", "u2 0.000000", "u2 x", "label: u2.*'x'"),
        ("label", " o\n", "\n", "triples"),
        ("label", " w ", " b ", "phone 1"),
        ("label", "u2 ", "u3 ", "no line for 'u2'"),
        ("label", "0.400000", "0.700000", "u2.json.*phone"),
        ("score/u2.json", '"tempo"', '"temp"', "tempo"),
        ("score/u2.json", '"lyric"', '"word"', "item_list"),
        ("score/u2.json", "1.5", "7.5", "note 2"),
        ("score/u2.json", "60", '"C4"', "note 1 is"),
        ("score/u2.json", "]", "", "u2.json:"),
    ],
)
def test_mistakes(tmp_path, scores, name, old, new, message):
    write(tmp_path, scores)
    path = tmp_path / name
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    if name == "label" and old == " o\n":
        path.write_text(path.read_text(encoding="utf-8").replace(" o\n", "\n"), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_scores(tmp_path)


def test_nothing_written_for_bad_entries(tmp_path, scores):
    good = Entry("u1", "a.wav", "anna", scores["u1"])
    for entries, message in [
        ([], "no utterances"),
        ([good, good], "duplicate id"),
        ([Entry("../x", "a.wav", "anna", scores["u1"])], "'../x'"),
        ([Entry("a b", "a.wav", "anna", scores["u1"])], "'a b'"),
        ([good, Entry("s", "s.wav", "anna", text="ni")], "mixed"),
    ]:
        with pytest.raises(UserError, match=message):
            write_data_dir(tmp_path / "out", entries)
    assert not (tmp_path / "out").exists()
    write_data_dir(tmp_path / "out", [good])
    assert json.loads((tmp_path / "out/score/u1.json").read_text())["note"][0][2] == "AP"


def test_the_phone_set_of_a_corpus_travels_with_it(tmp_path, scores):
    entries = [Entry(utt, f"{utt}.wav", "anna", score) for utt, score in scores.items()]
    assert phones_of(tmp_path / "none") == PHONES  # without a file, Opencpop's
    write_data_dir(tmp_path / "a", entries, phones={"w", "o", "a", "zz", "AP"})
    assert (tmp_path / "a" / "phones.txt").read_text() == "SP\nAP\na\no\nw\nzz\n"
    assert phones_of(tmp_path / "a") == ("SP", "AP", "a", "o", "w", "zz")
    with pytest.raises(UserError, match=r"u2: phone 'w' \(expected one of the phone set\)"):
        write_data_dir(tmp_path / "b", entries, phones={"o", "a"})
    assert not (tmp_path / "b").exists()
    (tmp_path / "a" / "phones.txt").write_text("SP\na\n")
    with pytest.raises(UserError, match="phones.txt: no 'AP'"):
        phones_of(tmp_path / "a")
