import json

import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.ds import read_ds
from espnet2_ext.score.formats.read import read_score

# As OpenUtau and DiffSinger's tools lay a segment out: words begin with vowels or rests.
SEGMENT = {
    "offset": 1.5,
    "text": "AP shi zhe SP",
    "ph_seq": "AP sh ir zh e SP",
    "ph_dur": "0.3 0.1 0.5 0.1 0.6 0.4",
    "ph_num": "2 2 1 1",
    "note_seq": "rest C#4 D#4 E4 rest",
    "note_dur": "0.4 0.3 0.3 0.6 0.4",
    "note_slur": "0 0 1 0 0",
    "f0_seq": "0.0 277.2 311.1",
    "f0_timestep": "0.005",
    "input_type": "phoneme",
}


OLD = {
    "text": "SP 还 记 SP",
    "ph_seq": "SP h ai j i i SP",
    "note_seq": "rest D#4 D#4 E4 E4 F4 rest",
    "note_dur_seq": "0.6 0.4 0.4 0.5 0.5 0.2 0.5",
    "is_slur_seq": "0 0 0 0 0 1 0",
    "ph_dur": "0.5 0.1 0.4 0.1 0.4 0.2 0.5",
    "f0_timestep": "0.005",
    "input_type": "phoneme",
    "offset": 0.0,
}


def write(path, *segments):
    path.write_text(json.dumps(segments, ensure_ascii=False), encoding="utf-8")
    return path


def notes(score):
    return [(round(n.start_sec, 3), n.midi, n.lyric, " ".join(n.phones)) for n in score.notes]


def phones(score):
    return [(round(p.start_sec, 3), p.phone, p.note) for p in score.phones]


def test_one_segment(tmp_path, caplog):
    score = read_score(write(tmp_path / "a.ds", SEGMENT), part=1)
    assert notes(score) == [
        *[(0, 0, "", "AP"), (0.4, 61, "shi", "sh i"), (0.7, 63, "—", "i")],
        *[(1, 64, "zhe", "zh e"), (1.6, 0, "", "SP")],
    ]
    assert phones(score) == [
        *[(0, "AP", 0), (0.3, "sh", 1), (0.4, "i", 1), (0.7, "i", 2)],
        *[(0.9, "zh", 3), (1, "e", 3), (1.6, "SP", 4)],
    ]
    assert "not read: f0_seq, f0_timestep" in caplog.text


def test_segments_at_their_offsets(tmp_path):
    path = write(tmp_path / "a.ds", SEGMENT, SEGMENT | {"offset": 4.0})
    score = read_ds(path)
    assert [n.start_sec for n in score.notes if n.lyric == "shi"] == [1.9, 4.4]
    assert notes(score)[0] == (0, 0, "", "SP") and notes(score)[5] == (3.1, 0, "", "SP")
    assert score.duration_sec == 6 and score.phones[0].end_sec == 1.5
    rests_overlap = write(tmp_path / "b.ds", SEGMENT, SEGMENT | {"offset": 3.2})
    assert [n.start_sec for n in read_ds(rests_overlap).notes if n.lyric == "shi"] == [1.9, 3.6]
    notes_overlap = write(tmp_path / "c.ds", SEGMENT, SEGMENT | {"offset": 2.0})
    with pytest.raises(UserError, match="segment 2: offset: begins at 2.000 s, before 3.1"):
        read_ds(notes_overlap)
    with pytest.raises(UserError, match="part: no segment '3'"):
        read_ds(path, part="3")


@pytest.mark.parametrize(
    "change",
    [
        {"ph_num": "1 2 2 1"},  # cut at the words as written
        {"ph_seq": "AP zh/sh zh/ir zh/zh zh/e SP"},
        {"text": "是这"},
        {"text": "AP 是 这 SP"},
        {"ph_seq": "AP sh i zh e SP", "text": ""},
        {"note_seq": "rest C♯4+20 D#4-3 E4 rest"},
        {"note_seq": "C4-3 C#4 D#4 E4 B3+12"},  # as pitch estimators write rests
        {"ph_dur": [0.3, 0.1, 0.5, 0.1, 0.6, 0.4], "ph_num": [2, 2, 1, 1]},
    ],
)
def test_other_spellings(tmp_path, change):
    plain = read_ds(write(tmp_path / "a.ds", SEGMENT), part="1")
    score = read_ds(write(tmp_path / "b.ds", SEGMENT | change), part="1")
    assert phones(score) == phones(plain)
    assert [n.midi for n in score.notes] == [n.midi for n in plain.notes]


def test_consonants_that_close_a_syllable_are_known_from_the_text(tmp_path):
    segment = {"offset": 0, "ph_seq": "SP k ae t s ih ng SP", "ph_num": "2 3 2 1"}
    segment |= {"note_seq": "rest C4 D4 rest", "note_dur": "1 1 1 1", "text": "cat sing"}
    score = read_ds(write(tmp_path / "a.ds", segment), language="en")
    assert [" ".join(n.phones) for n in score.notes] == ["SP", "K AE T", "S IH NG", "SP"]
    assert not score.phones


def test_consonants_with_a_note_of_their_own(tmp_path):
    segment = {"ph_seq": "y e x v AP", "ph_num": "1 2 1 1", "text": "y e x v AP"}
    segment |= {"note_seq": "A3+14 B3 B3 rest", "note_dur": "0.1 0.4 0.3 0.2"}
    segment |= {"ph_dur": "0.1 0.3 0.1 0.3 0.2"}
    score = read_ds(write(tmp_path / "a.ds", segment))
    assert notes(score) == [
        *[(0, 59, "ye", "y e"), (0.5, 59, "xv", "x v"), (0.8, 0, "", "AP")],
    ]
    assert phones(score)[:2] == [(0, "y", 0), (0.1, "e", 0)]


def test_segments_whose_phones_end_late(tmp_path):
    """Rounded lengths of phones and notes need not agree to the millisecond."""
    late = SEGMENT | {"ph_dur": "0.3 0.1 0.5 0.1 0.6 0.42", "offset": 0}
    score = read_ds(write(tmp_path / "a.ds", late, SEGMENT | {"offset": 2.01}))
    assert " ".join(n.phones[-1] for n in score.notes) == "AP i i e SP AP i i e SP"
    ends = [p.end_sec for p in score.phones]
    assert [p.start_sec for p in score.phones[1:]] == ends[:-1] and ends[6] == 2.01


def test_every_field_per_phone(tmp_path):
    score = read_ds(write(tmp_path / "a.ds", OLD))
    assert [n[1:] for n in notes(score)] == [
        *[(0, "", "SP"), (63, "还", "h ai"), (64, "记", "j i")],
        *[(65, "—", "i"), (0, "", "SP")],
    ]
    assert len(score.phones) == 7


@pytest.mark.parametrize("empty", ["", None, [], " "])
@pytest.mark.parametrize("key", ["ph_dur", "note_slur"])
def test_what_is_left_to_be_predicted_is_empty(tmp_path, key, empty, caplog):
    one_each = SEGMENT | {"note_seq": "rest C4 E4 rest", "note_dur": "0.4 0.6 0.6 0.4"}
    one_each |= {"note_slur": "0 0 0 0", "f0_seq": "", "f0_timestep": None}
    score = read_ds(write(tmp_path / "a.ds", one_each | {key: empty}))
    del one_each[key]
    assert score == read_ds(write(tmp_path / "b.ds", one_each))
    assert bool(score.phones) == (key != "ph_dur") and "not read" not in caplog.text


@pytest.mark.parametrize("name", ["pau", "sil", "sp", "EP", "SP"])
def test_names_of_silence(tmp_path, name):
    segment = SEGMENT | {"ph_seq": f"AP sh ir zh e {name}", "text": f"br 是 这 {name}"}
    score = read_ds(write(tmp_path / "a.ds", segment))
    assert score == read_ds(write(tmp_path / "b.ds", SEGMENT | {"text": "是 这"}))
    old = OLD | {"ph_seq": f"{name} h ai j i i {name}", "text": f"{name} 还 记 {name}"}
    assert read_ds(write(tmp_path / "c.ds", old)) == read_ds(write(tmp_path / "d.ds", OLD))


def test_a_breath_by_another_name(tmp_path):
    segment = SEGMENT | {"ph_seq": "br sh ir zh e SP"}
    score = read_ds(write(tmp_path / "a.ds", segment))
    assert score == read_ds(write(tmp_path / "b.ds", SEGMENT))


@pytest.mark.parametrize("with_times", [True, False])
def test_a_note_without_phones_is_a_rest(tmp_path, with_times):
    segment = SEGMENT | {"note_seq": "rest C#4 E4 rest rest", "note_dur": "0.4 0.6 0.6 0.1 0.3"}
    segment |= {"note_slur": "0 0 0 0 0", "ph_num": "2 2 1 0 1", "offset": 0}
    if not with_times:
        segment["ph_dur"] = ""
    score = read_ds(write(tmp_path / "a.ds", segment))
    assert notes(score) == [
        *[(0, 0, "", "AP"), (0.4, 61, "shi", "sh i"), (1, 64, "zhe", "zh e"), (1.6, 0, "", "SP")]
    ]
    assert score.duration_sec == 2 and len(score.phones) == (6 if with_times else 0)
    between = segment | {"ph_num": "2 1 0 2 1", "ph_seq": "AP sh ir zh e SP"}
    between |= {"note_seq": "rest C#4 rest E4 rest", "ph_dur": ""}
    score = read_ds(write(tmp_path / "b.ds", between))
    assert [n[1:] for n in notes(score)][1:4] == [
        (61, "shi", "sh i"),
        (0, "", "SP"),
        (64, "zhe", "zh e"),
    ]


def test_the_older_layout_with_newer_names(tmp_path):
    """As openvpi's and ProDiff's samples: ``sh ir``, and phone times left out as null."""
    old = OLD | {"text": "SP 是 日 SP", "ph_seq": "SP sh ir r ir ir SP"}
    score = read_ds(write(tmp_path / "a.ds", old))
    assert [n[3] for n in notes(score)] == ["SP", "sh i", "r i", "i", "SP"]
    assert len(score.phones) == 7
    for empty in (None, ""):
        untimed = read_ds(write(tmp_path / "b.ds", old | {"ph_dur": empty}))
        assert untimed.notes == score.notes and not untimed.phones


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ph_num": "2 2 1"}, "segment 1: ph_num: 3 items .expected 4"),
        ({"ph_num": "2 2 1 2"}, "ph_num: words of 7 phones"),
        ({"ph_num": "2 0 3 2"}, "ph_num: words of 7 phones in all .expected 6, as ph_seq.$"),
        ({"ph_num": "2 0 3 1"}, "ph_num: word 1 is 'AP sh'"),
        ({"ph_num": "3 1 1 1"}, "ph_num: word 1 is 'AP sh i'"),
        ({"ph_dur": "0.3 0.1 0.5 0.1 0.6"}, "ph_dur: 5 items .expected 6"),
        ({"ph_dur": "0.3 0.1 nan 0.1 0.6 0.4"}, "ph_dur: item 3 is 'nan'"),
        ({"note_dur": "0.4 -0.3 0.3 0.6 0.4"}, "note_dur: item 2 is '-0.3'"),
        ({"note_dur": "0.4 0 0.3 0.6 0.4"}, "note_dur: item 2 is 0.0"),
        ({"note_dur": "0.4"}, "note_dur: 1 items .expected 5"),
        ({"note_seq": "rest H4 D4 E4 rest"}, "note_seq: item 2: 'H4'"),
        ({"note_seq": ""}, "note_seq: missing"),
        ({"note_seq": "rest C4 D4 rest rest"}, "note_seq: word 3, 'e', is sung on a rest"),
        ({"note_slur": "1 0 0 0 0"}, "note_slur: item 1 is a slur"),
        ({"ph_seq": "AP sh qq zh e SP", "text": ""}, "ph_seq: phone 'qq'"),
        ({"ph_seq": {"a": 1}}, "ph_seq: {'a': 1}"),
        ({"ph_seq": ""}, "ph_seq: missing"),
        ({"offset": "soon"}, "offset: item 1 is 'soon'"),
        ({"offset": None}, "offset:"),
    ],
)
def test_mistakes(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        read_ds(write(tmp_path / "a.ds", SEGMENT | change))


@pytest.mark.parametrize("data", [b"", b"[]", b"3", b"[3]", b"\xff", b"[" * 99999, b'{"a": 1}'])
def test_garbage(tmp_path, data):
    path = tmp_path / "a.ds"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"a\.ds"):
        read_ds(path)
