"""M4Singer's meta.json: its summed note durations and whole finals, mistakes, round trips."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.m4singer import (
    PHONES,
    format_item,
    parse_item,
    read_m4singer,
    write_m4singer,
)
from espnet2_ext.score.formats.whole_finals import FINALS, INITIALS, from_opencpop, to_opencpop
from espnet2_ext.score.music_score import MusicScore, Note, Phone
from espnet2_ext.score.phones import PHONES as OPENCPOP_PHONES
from espnet2_ext.score.phones import SYLLABLES


def item(**changes):
    """酒言, with a breath before and a slur on 言."""
    return {
        "item_name": "Alto-1#newboy#0000",
        "txt": "酒言",
        "phs": ["<AP>", "j", "iou", "ian", "ian", "<SP>"],
        "ph_dur": [0.3, 0.1, 0.3, 0.5, 0.2, 0.4],
        "notes": [0, 60, 60, 62, 64, 0],
        "notes_dur": [0.25, 0.12, 0.33, 0.5, 0.2, 0.4],
        "is_slur": [0, 0, 0, 0, 1, 0],
    } | changes


def test_durations_of_a_syllable_add_up():
    name, score = parse_item(item(), "meta.json: item 0", tempo=90)
    assert name == "Alto-1#newboy#0000" and score.tempo == 90
    assert [note.midi for note in score.notes] == [0, 60, 62, 64, 0]
    assert [note.start_sec for note in score.notes] == pytest.approx([0, 0.25, 0.7, 1.2, 1.4])
    assert [note.lyric for note in score.notes] == ["", "酒", "言", "—", ""]
    assert [note.slur for note in score.notes] == [False, False, False, True, False]


def test_phones_come_out_as_opencpop_writes_them():
    _, score = parse_item(item(), "t")
    assert [note.phones for note in score.notes] == [
        ("AP",), ("j", "iu"), ("y", "an"), ("an",), ("SP",)
    ]  # fmt: skip
    performed = [(round(p.start_sec, 6), p.phone, p.note) for p in score.phones]
    assert performed[3:6] == [(0.7, "y", 2), (0.76, "an", 2), (1.2, "an", 3)]
    assert {p.phone for p in score.phones} <= set(OPENCPOP_PHONES)
    _, own = parse_item(item(), "t", own_phones=True)
    assert [note.phones for note in own.notes][1:4] == [("j", "iou"), ("ian",), ("ian",)]
    assert {p.phone for p in own.phones} <= set(PHONES)
    assert to_opencpop(own) == score


def test_every_syllable_has_whole_finals_and_back():
    for spelling, phones in SYLLABLES.items():
        score = MusicScore(
            (Note(0, 1, 60, spelling, phones), Note(1, 2, 62, "—", phones[-1:], True)),
            (
                *(Phone(i / 4, (i + 1) / 4, p, 0) for i, p in enumerate(phones)),
                Phone(len(phones) / 4, 2, phones[-1], 1),
            ),
        )
        whole = from_opencpop(score)
        assert set(whole.notes[0].phones) <= set(INITIALS + FINALS), spelling
        assert [note.phones for note in to_opencpop(whole).notes] == [n.phones for n in score.notes]


def test_durations_that_repeat_are_an_option_and_seen():
    repeated = item(notes_dur=[0.3, 0.4, 0.4, 0.5, 0.2, 0.4])
    _, score = parse_item(repeated, "t", note_durations="repeated")
    assert score.notes[1].end_sec == pytest.approx(0.7)
    many = {
        "phs": ["j", "iou"] * 3,
        "ph_dur": [0.1, 0.3] * 3,
        "notes": [60] * 6,
        "notes_dur": [0.4] * 6,
        "is_slur": [0] * 6,
    }
    with pytest.raises(UserError, match=r"notes_dur: notes of 2.400 s for phones of 1.200 s"):
        parse_item(item(**many), "t")


def test_an_initial_may_have_a_note_of_its_own():
    """A note that ends within the initial: the final, flagged as a slur, has the next."""
    lists = {"phs": ["j", "iou", "iou"], "ph_dur": [0.1, 0.3, 0.2], "notes": [60, 62, 60]}
    lists |= {"notes_dur": [0.1, 0.3, 0.2], "is_slur": [0, 1, 1]}
    _, score = parse_item(item(txt="酒", **lists), "t")
    assert [note.phones for note in score.notes] == [("j",), ("iu",), ("iu",)]
    assert format_item("a", score)["phs"] == ["j", "iou", "iou"]


MISTAKES = {
    "no txt": ({"txt": None}, "txt: NoneType"),
    "count": ({"notes": [0, 60, 60, 62, 64]}, "notes: 5 items"),
    "empty": ({"phs": []}, "phs: empty"),
    "negative": ({"ph_dur": [0.3, -0.1, 0.3, 0.5, 0.2, 0.4]}, "ph_dur: item 2 is -0.1"),
    "nan": ({"notes_dur": [float("nan"), 0.1, 0.3, 0.5, 0.2, 0.4]}, "notes_dur: item 1 is nan"),
    "word": ({"ph_dur": ["x", 0.1, 0.3, 0.5, 0.2, 0.4]}, "ph_dur: item 1 is 'x'"),
    "zero": ({"notes_dur": [0.25, 0.1, 0.3, 0.5, 0.0, 0.4]}, "notes_dur: item 5 is 0"),
    "midi": ({"notes": [0, 60, 60, 62, 640, 0]}, "notes: item 5 is 640"),
    "half": ({"notes": [0, 60, 60, 62, 64.5, 0]}, "notes: item 5 is 64.5"),
    "unknown": ({"phs": ["<AP>", "j", "iu", "ian", "ian", "<SP>"]}, "phs: item 3: unknown"),
    "sung rest": ({"notes": [60, 60, 60, 62, 64, 0]}, "notes: item 1: phone 'AP' with note 60"),
    "unsung": ({"notes": [0, 0, 0, 62, 64, 0]}, "notes: item 2: phone 'j' with note 0"),
    "two notes": ({"notes": [0, 60, 61, 62, 64, 0]}, "notes: item 3 is 61 within a syllable"),
    "no final": ({"phs": ["<AP>", "j", "j", "ian", "ian", "<SP>"]}, "phs: item 2, 'j', has no"),
    "flag": ({"is_slur": [0, 0, 0, 0, 2, 0]}, "is_slur: item 5 is 2"),
    "other": ({"phs": ["<AP>", "j", "iou", "ian", "an", "<SP>"]}, "is_slur: item 5 is a slur"),
    "first": ({"is_slur": [1, 0, 0, 0, 0, 0], "phs": ["a", "j", "iou", "ian", "ian", "<SP>"],
               "notes": [60, 60, 60, 62, 64, 0]}, "is_slur: item 1 is a slur of 'a'"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_name_item_and_field(name, tmp_path):
    changes, words = MISTAKES[name]
    path = tmp_path / "meta.json"
    path.write_text(json.dumps([item(item_name="Alto-1#newboy#0001"), item(**changes)]))
    with pytest.raises(UserError) as error:
        read_m4singer(path)
    assert str(error.value).startswith(f"{path}: item 1 (Alto-1#newboy#0000): {words}")


def test_files_that_are_no_list_and_ids_twice(tmp_path):
    path = tmp_path / "meta.json"
    for text in ("{}", "[]", "3"):
        path.write_text(text)
        with pytest.raises(UserError, match="a list of utterances"):
            read_m4singer(path)
    path.write_text("[3]")
    with pytest.raises(UserError, match="item 0: int"):
        read_m4singer(path)
    path.write_text(json.dumps([item(), item()]))
    with pytest.raises(UserError, match=r"item 1 \(Alto-1#newboy#0000\): item_name: duplicate"):
        read_m4singer(path)


_SYLLABLES = sorted(SYLLABLES)


@st.composite
def scores(draw):
    """Sung phrases with rests, breaths and slurs; times in microseconds."""
    notes, phones, start = [], [], 0.0
    previous = None
    glide = 0.06
    for _ in range(draw(st.integers(1, 8))):
        kinds = ["SP", "AP", "new"] + (["slur"] if previous else [])
        kind = draw(st.sampled_from(kinds))
        end = round(start + draw(st.integers(240_000, 3_000_000)) / 1e6, 6)
        if kind == "new":
            # Two by two hanzi are read as one: words in pinyin stay apart.
            spelling = draw(st.sampled_from(_SYLLABLES))
            syllable = SYLLABLES[spelling]
            note = Note(start, end, draw(st.integers(1, 127)), spelling, syllable)
            previous = syllable[-1]
        elif kind == "slur":
            note = Note(start, end, draw(st.integers(1, 127)), "—", (previous,), True)
        else:
            note, previous = Note(start, end, 0, "", (kind,)), None
        middle = round(start + glide, 6)
        bounds = [start, middle, end] if len(note.phones) == 2 else [start, end]
        for phone, first, last in zip(note.phones, bounds, bounds[1:], strict=False):
            phones.append(Phone(first, last, phone, len(notes)))
        notes.append(note)
        start = end
    return MusicScore(tuple(notes), tuple(phones))


@given(scores())
def test_round_trip_loses_nothing_that_it_can_express(score):
    name, back = parse_item(format_item("a", score), "t")
    assert name == "a"
    assert [replace(n, start_sec=0, end_sec=1) for n in back.notes] == [
        replace(n, start_sec=0, end_sec=1) for n in score.notes
    ]
    assert [(p.phone, p.note) for p in back.phones] == [(p.phone, p.note) for p in score.phones]
    for kind in ("notes", "phones"):
        for a, b in zip(getattr(back, kind), getattr(score, kind), strict=True):
            assert a.end_sec == pytest.approx(b.end_sec, abs=2e-6)


@given(scores())
def test_items_come_back_as_they_were(score):
    written = format_item("a", score)
    _, own = parse_item(written, "t", own_phones=True)
    again = format_item("a", own)
    for field in ("phs", "notes", "is_slur", "item_name", "txt"):
        assert again[field] == written[field]
    for field in ("ph_dur", "notes_dur"):
        assert again[field] == pytest.approx(written[field], abs=2e-6)


def test_what_is_lost_is_said(tmp_path):
    _, score = parse_item(item(), "t")
    path = tmp_path / "meta.json"
    assert write_m4singer(path, {"a": score}) == []
    assert json.loads(path.read_text())[0]["phs"] == item()["phs"]
    shifted = list(score.phones)
    shifted[3] = replace(shifted[3], end_sec=0.8)
    shifted[4] = replace(shifted[4], start_sec=0.8)
    moved = replace(score, phones=tuple(shifted), tempo=90.0)
    lost = write_m4singer(path, {"a": moved, "b": score})
    assert [line.split(":")[:2] for line in lost] == [["a", " tempo 90"], ["a", " phone times"]]
    with pytest.raises(UserError, match="zh"):
        write_m4singer(path, {"a": replace(score, language="en")})
    with pytest.raises(UserError, match="note 0 is performed as 'nothing'"):
        write_m4singer(path, {"a": replace(score, phones=())})
