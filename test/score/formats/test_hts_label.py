import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.hts_label import read_label
from espnet2_ext.score.formats.read import read_score

UNIT = 10_000_000


def line(start, end, phone, pitch="xx", length=24, position=1, slur=0, tempo=120):
    """As Sinsy writes it, the fields that are not read in their places."""
    times = " ".join("-1" if t is None else str(round(t * UNIT)) for t in (start, end))
    language = "xx" if pitch == "xx" else "JPN"
    return (
        f"{times} p@xx^xx-{phone}+a=i_xx%xx^00_00~00-1!1[xx$xx]xx/A:xx-xx-xx@xx~xx"
        f"/B:1_1_1@{language}|0/C:2+1+1@JPN&0/D:xx!xx#xx$xx%xx|xx&xx;xx-xx"
        f"/E:{pitch}]7^0=4/4~{tempo}!1@60#{length}+xx]{position}$5|0[24&0]96=0^100~1#10_0;47$0&192"
        f"%0[100|{slur}]0-n^xx+xx~xx=xx@xx$xx!xx%xx#xx|xx|xx-xx&xx&xx+xx[xx;xx]xx;xx~xx~xx^xx^xx@xx"
        f"[xx#xx=xx!xx~xx+m3!xx^xx/F:E4#4#0-4/4${tempo}$1+30%12;xx/G:xx_xx/H:10_10/I:5_5/J:3~3@8"
    )


SCORE = [
    line(0, 1, "pau", length=48),
    line(1, None, "k", "Db4"),
    line(None, 1.5, "a", "Db4"),
    line(1.5, 2, "a", "E4", position=2, slur=1),
    line(2, 2.25, "br", length=12, position=3),
    line(2.25, None, "sh", "F#4", position=4, length=36),
    line(None, 3, "I", "F#4", position=4, length=36),
    line(3, 4, "sil", length=48, position=5),
]
SUNG = [
    line(0, 0.9, "pau", length=48),
    line(0.9, 1.02, "k", "Db4"),
    line(1.02, 1.55, "a", "Db4"),
    line(1.55, 1.95, "a", "E4", position=2, slur=1),
    line(1.95, 2.2, "br", length=12, position=3),
    line(2.2, 2.3, "sh", "F#4", position=4, length=36),
    line(2.3, 3.05, "I", "F#4", position=4, length=36),
    line(3.05, 4, "sil", length=48, position=5),
]


def write(path, lines):
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    return path


def rows(score):
    return [(round(n.start_sec, 3), round(n.end_sec, 3), n.midi, n.phones) for n in score.notes]


NOTES = [
    *[(0, 1, 0, ("SP",)), (1, 1.5, 61, ("k", "a")), (1.5, 2, 64, ("a",)), (2, 2.25, 0, ("AP",))],
    *[(2.25, 3, 66, ("sh", "i")), (3, 4, 0, ("SP",))],
]


def test_label_of_a_score(tmp_path):
    score = read_score(write(tmp_path / "a.lab", SCORE), default_language="zh")
    assert rows(score) == NOTES and not score.phones
    assert score.notes[2].slur and score.tempo == 120 and score.language == "ja"
    assert [n.lyric for n in score.notes] == ["", "ka", "—", "", "shi", ""]


def test_label_of_a_performance(tmp_path, caplog):
    score = read_score(write(tmp_path / "a.lab", SUNG))
    assert rows(score) == NOTES and not caplog.text
    assert [(p.phone, round(p.start_sec, 3), p.note) for p in score.phones] == [
        *[("SP", 0, 0), ("k", 0.9, 1), ("a", 1.02, 1), ("a", 1.5, 2), ("AP", 1.95, 3)],
        *[("sh", 2.2, 4), ("i", 2.3, 4), ("SP", 3.05, 5)],
    ]
    assert score.phones[-1].end_sec == 4


def test_a_performance_far_from_its_notes_has_its_own(tmp_path, caplog):
    lines = [text.replace("~120!", "~60!") for text in SUNG]
    score = read_score(write(tmp_path / "a.lab", lines))
    assert [(round(n.start_sec, 3), n.midi) for n in score.notes] == [
        *[(0, 0), (1.02, 61), (1.55, 64), (1.95, 0), (2.3, 66), (3.05, 0)]
    ]
    assert "notes begin where their vowels are sung" in caplog.text and score.tempo == 60


def test_phones_that_have_the_times_of_their_note(tmp_path, caplog):
    """As NEUTRINO writes a score; a breath that ends a note has them too."""
    lines = [
        line(0, 1, "pau", length=48),
        *[line(1, 1.5, phone, "Db4") for phone in ("k", "a")],
        *[line(1.5, 2.5, phone, "E4", position=2, length=48) for phone in ("sh", "i", "br")],
        *[line(2.5, 3, phone, "E4", position=3) for phone in ("t", "o")],
    ]
    score = read_score(write(tmp_path / "a.lab", lines))
    assert rows(score) == [
        *[(0, 1, 0, ("SP",)), (1, 1.5, 61, ("k", "a")), (1.5, 2.25, 64, ("sh", "i"))],
        *[(2.25, 2.5, 0, ("AP",)), (2.5, 3, 64, ("t", "o"))],
    ]
    assert not score.phones and not caplog.text


def test_a_note_of_several_morae_begins_at_its_first_vowel(tmp_path, caplog):
    lines = [line(0, 1, "pau", length=48)]
    for start, end, phone in ((1, 1.1, "k"), (1.1, 1.7, "a"), (1.7, 1.8, "r"), (1.8, 2, "i")):
        lines.append(line(start, end, phone, "Db4", length=48))
    lines.append(line(2, 3, "pau", length=48, position=3))
    score = read_score(write(tmp_path / "a.lab", lines))
    assert rows(score)[1] == (1, 2, 61, ("k", "a", "r", "i")) and not caplog.text


def test_a_vowel_again_is_no_slur_without_the_mark(tmp_path):
    lines = [text.replace("[100|1]", "[100|0]") for text in SCORE]
    score = read_score(write(tmp_path / "a.lab", lines))
    assert [n.lyric for n in score.notes] == ["", "ka", "a", "", "shi", ""]


def test_a_breath_within_a_note(tmp_path):
    lines = [*SUNG[:3], line(1.55, 1.7, "br", "Db4"), line(1.7, 2, "o", "E4", position=2)]
    score = read_score(write(tmp_path / "a.lab", lines))
    assert [n.phones for n in score.notes] == [("SP",), ("k", "a"), ("AP",), ("o",)]
    assert [n.midi for n in score.notes] == [0, 61, 0, 64]


@pytest.mark.parametrize(
    ("index", "new", "message"),
    [
        (1, "1 x", r"a\.lab:2: '1 x' .expected start, end"),
        (1, SCORE[1].replace("10000000 -1", "-5 -1"), r"a\.lab:2: '-5 -1"),
        (
            1,
            "0 10000000 k",
            r"a\.lab:2: a phone 'k' without its note .a mono label. .expected full",
        ),
        (1, SCORE[1].replace("/E:", "/e:"), "a context without a note"),
        (1, SCORE[1].replace("/E:Db4", "/E:H4"), "lab:2: e1: 'H4'"),
        (1, SCORE[1].replace("/E:Db4", "/E:A9"), "lab:2: e1: 'A9' .expected a pitch of MIDI"),
        (1, SCORE[1].replace("/E:Db4", "/E:xx"), "lab:2: e1: phone 'k' in a rest"),
        (1, SCORE[1].replace("-k+", "-x+"), "lab:2: phone 'x' .expected a phone of Japanese"),
        (1, SCORE[1].replace("10000000 -1", "-1 -1"), "lab:2: -1 .expected a time where a note"),
        (1, line(1.5, None, "k", "Db4"), "lab:2: a note from 1.500 to 1.500 s"),
        (7, SCORE[7].replace("40000000", "-1"), "lab:8: -1"),
    ],
)
def test_mistakes(tmp_path, index, new, message):
    lines = [*SCORE[:index], new, *SCORE[index + 1 :]]
    with pytest.raises(UserError, match=message):
        read_label(write(tmp_path / "a.lab", lines))


@pytest.mark.parametrize("data", [b"", b"\n", b"\xff\xfe", b"0 1", b"\0", b"xx^xx-sil+xx=xx"])
def test_garbage(tmp_path, data):
    path = tmp_path / "a.lab"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"a\.lab"):
        read_label(path)


def test_labels_of_speech_have_no_notes(tmp_path):
    speech = "0 3125000 xx^xx-sil+k=o/A:xx+xx+xx/B:xx-xx_xx/E:xx_xx!xx_xx-xx/F:xx_xx#xx_xx@xx_xx|xx"
    with pytest.raises(UserError, match=r"a\.lab:1: "):
        read_label(write(tmp_path / "a.lab", [speech]))
