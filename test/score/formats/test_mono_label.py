import logging

import pytest

from espnet2_ext.bin.convert_score import main
from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.read import read_score
from espnet2_ext.score.formats.write import write_score
from espnet2_ext.score.music_score import MusicScore, Note

from .test_hts_label import SUNG

# か(ー)っ た, at 60 beats per minute: a rest, ka with a slur, cl, ta, a rest.
UST = "[#SETTING]\nTempo=60\n" + "".join(
    f"[#{i:04d}]\nLength={length}\nLyric={lyric}\nNoteNum={midi}\n"
    for i, (lyric, length, midi) in enumerate(
        [
            *[("R", 480, 60), ("か", 480, 60), ("ー", 240, 62), ("っ", 240, 62)],
            *[("た", 480, 64), ("R", 480, 60), ("さ", 960, 65)],
        ]
    )
)
LABEL = [
    *[(0, 0.9, "pau"), (0.9, 1.05, "k"), (1.05, 2.5, "a"), (2.5, 2.9, "cl"), (2.9, 3.05, "t")],
    *[(3.05, 4, "A"), (4, 4.6, "pau"), (4.6, 4.9, "br"), (4.9, 5.02, "s"), (5.02, 6.9, "a")],
    (6.9, 7.5, "sil"),
]


def lines(rows, unit=10_000_000):
    def time(sec):
        return f"{sec:.6f}" if unit == 1 else str(round(sec * unit))

    return "".join(f"{time(a)} {time(b)} {phone}\n" for a, b, phone in rows)


def song(folder, label=LABEL, ust=UST, unit=10_000_000):
    (folder / "song.ust").write_text(ust, encoding="utf-8")
    (folder / "song.lab").write_text(lines(label, unit), encoding="utf-8")
    return folder / "song.lab"


def rows(score):
    return [(round(n.start_sec, 3), round(n.end_sec, 3), n.midi, n.phones) for n in score.notes]


def sung(score):
    return [(p.phone, round(p.start_sec, 3), round(p.end_sec, 3), p.note) for p in score.phones]


NOTES = [
    *[(0, 1, 0, ("SP",)), (1, 2, 60, ("k", "a")), (2, 2.5, 62, ("a",)), (2.5, 3, 62, ("cl",))],
    *[(3, 4, 64, ("t", "a")), (4, 4.6, 0, ("SP",)), (4.6, 5, 0, ("AP",))],
    *[(5, 7, 65, ("s", "a")), (7, 7.5, 0, ("SP",))],
]
PHONES = [
    *[("SP", 0, 0.9, 0), ("k", 0.9, 1.05, 1), ("a", 1.05, 2, 1), ("a", 2, 2.5, 2)],
    *[("cl", 2.5, 2.9, 3), ("t", 2.9, 3.05, 4), ("a", 3.05, 4, 4), ("SP", 4, 4.6, 5)],
    *[("AP", 4.6, 4.9, 6), ("s", 4.9, 5.02, 7), ("a", 5.02, 6.9, 7), ("SP", 6.9, 7.5, 8)],
]


@pytest.mark.parametrize("unit", [10_000_000, 1])
def test_notes_of_the_score_and_times_of_the_label(tmp_path, caplog, unit):
    score = read_score(song(tmp_path, unit=unit))
    assert rows(score) == NOTES and sung(score) == PHONES
    assert [n.lyric for n in score.notes if n.midi] == ["か", "—", "っ", "た", "さ"]
    assert score.language == "ja" and score.tempo == 60 and not caplog.text


def test_the_vowel_of_a_slur_may_stand_in_the_label_again(tmp_path):
    again = [*LABEL[:2], (1.05, 1.9, "a"), (1.9, 2.5, "a"), *LABEL[3:]]
    score = read_score(song(tmp_path, again))
    assert rows(score) == NOTES
    assert sung(score)[2:4] == [("a", 1.05, 1.9, 1), ("a", 1.9, 2.5, 2)]


@pytest.mark.parametrize(
    ("vowels", "notes"),
    [("aa", [0, 1, 2]), ("aaa", [0, 1, 2]), ("aaaa", None), ("a", None), ("aa|", None)],
)
def test_a_slur_before_the_same_vowel(tmp_path, vowels, notes):
    """か, its slur, and あ: the label's last vowel is あ, another one before it the slur's."""
    head = "[#SETTING]\nTempo=60\n"
    ust = head + "".join(
        f"[#{i:04d}]\nLength=480\nLyric={lyric}\nNoteNum=60\n" for i, lyric in enumerate("かーあ")
    )
    label = [(0, 0.1, "k")] + [(0.1 + i, 1.1 + i, v) for i, v in enumerate(vowels.strip("|"))]
    label += [(label[-1][1], label[-1][1] + 0.1, "k")] if "|" in vowels else []
    path = song(tmp_path, label, ust)
    if notes is None:
        with pytest.raises(UserError, match=r"song\.lab:"):
            read_score(path)
    else:
        score = read_score(path)
        assert [p.note for p in score.phones] == [0, *notes]


def test_rests_are_where_the_singer_rests(tmp_path, caplog):
    label = [
        *[(0, 0.9, "pau"), (0.9, 1.05, "k"), (1.05, 2.5, "a"), (2.5, 2.9, "cl"), (2.9, 3.05, "t")],
        *[(3.05, 4.9, "a"), (4.9, 5.02, "s"), (5.02, 6.9, "a")],
    ]
    score = read_score(song(tmp_path, label))
    assert rows(score)[4:] == [(3, 5, 64, ("t", "a")), (5, 7, 65, ("s", "a"))]
    assert "1 rests of the score are sung through" in caplog.text
    caplog.clear()
    breath = [*LABEL[:3], (2.5, 2.6, "br"), (2.6, 2.9, "cl"), *LABEL[4:]]
    score = read_score(song(tmp_path, breath))
    assert rows(score)[2:5] == [
        *[(2, 2.4, 62, ("a",)), (2.4, 2.5, 0, ("AP",)), (2.5, 3, 62, ("cl",))]
    ]
    assert ("AP", 2.5, 2.6, 3) in sung(score) and "1 rests that the score does" in caplog.text


def test_a_label_on_another_clock(tmp_path, caplog):
    late = [(0, 2.9, "pau"), *[(a + 2, b + 2, phone) for a, b, phone in LABEL[1:]]]
    score = read_score(song(tmp_path, late))
    assert "song.ust is moved by 2.035 s to fit" in caplog.text
    assert rows(score)[1][:2] == (3.035, 4.035) and sung(score)[1] == ("k", 2.9, 3.05, 1)
    caplog.clear()
    slow = [(2 * a, 2 * b, phone) for a, b, phone in LABEL]
    score = read_score(song(tmp_path, slow))
    assert "notes begin where their vowels are sung" in caplog.text
    assert [row[0] for row in rows(score)][:6] == [0, 2.1, 4.033, 5.0, 6.1, 8]


def test_a_song_that_begins_at_once(tmp_path, caplog):
    ust = UST.replace("[#0000]\nLength=480\nLyric=R\nNoteNum=60\n", "")
    label = [(0, 0.05, "pau"), (0.05, 0.1, "k"), (0.1, 1.5, "a"), *LABEL[3:4]]
    label = [(0, 0.05, "pau"), (0.05, 0.1, "k"), (0.1, 1.5, "a"), (1.5, 1.9, "cl")]
    label += [(a - 1, b - 1, p) for a, b, p in LABEL[4:]]
    score = read_score(song(tmp_path, label, ust))
    assert rows(score)[0][3] == ("SP",) and rows(score)[0][0] == 0
    assert score.phones[0].phone == "SP" and "moved by" in caplog.text


def test_particles_and_long_vowels_as_spoken(tmp_path, caplog):
    ust = "[#SETTING]\nTempo=60\n" + "".join(
        f"[#{i:04d}]\nLength=480\nLyric={lyric}\nNoteNum=60\n"
        for i, lyric in enumerate(["こ", "う", "は", "を", "へ"])
    )
    phones = ["k o", "o", "w a", "w o", "e"]
    label = []
    for index, names in enumerate(phones):
        for at, name in enumerate(names.split()):
            n = len(names.split())
            label.append((index + at / n, index + (at + 1) / n, name))
    score = read_score(song(tmp_path, label, ust))
    assert [n.phones for n in score.notes] == [tuple(p.split()) for p in phones]
    assert "4 syllables are sung as spoken" in caplog.text


def test_notes_of_several_morae(tmp_path, caplog):
    """Their first vowel is on the beat; を within a lyric may be sung as wo."""
    ust = "[#SETTING]\nTempo=60\n" + "".join(
        f"[#{i:04d}]\nLength=960\nLyric={lyric}\nNoteNum=60\n"
        for i, lyric in enumerate(["よを", "をっ", "う゛ん"])
    )
    names = ["y o w o", "w o cl", "v u N"]
    times = [0, 0.1, 1.2, 1.3]
    label = []
    for index, row in enumerate(names):
        starts = [2 * index + sec for sec in times[: len(row.split())]]
        label += zip(starts, [*starts[1:], 2 * index + 2], row.split(), strict=True)
    score = read_score(song(tmp_path, label, ust))
    assert [(n.start_sec, n.phones) for n in score.notes] == [
        (2 * i, tuple(row.split())) for i, row in enumerate(names)
    ]
    assert "2 syllables are sung as spoken" in caplog.text and len(caplog.messages) == 1


def test_full_context_labels_need_no_score(tmp_path):
    path = tmp_path / "song.lab"
    path.write_text("\n".join(SUNG))
    assert read_score(path).phones
    for option in ({"score": "a.ust"}, {"part": 1}):
        with pytest.raises(UserError, match=f"{next(iter(option))}: given for a full-context"):
            read_score(path, **option)


def test_the_score_may_be_a_full_context_label(tmp_path):
    (tmp_path / "full.lab").write_text("\n".join(SUNG))
    mono = [(0, 0.8, "pau"), (0.8, 1, "k"), (1, 1.5, "a"), (1.5, 2, "a"), (2, 2.25, "br")]
    mono += [(2.25, 2.4, "sh"), (2.4, 3, "I"), (3, 4, "pau")]
    (tmp_path / "mono.lab").write_text(lines(mono))
    score = read_score(tmp_path / "mono.lab", score=tmp_path / "full.lab")
    assert [p.start_sec for p in score.phones] == [a for a, _, _ in mono]
    assert score.notes == read_score(tmp_path / "full.lab").notes
    with pytest.raises(UserError, match=r"mono\.lab:1: a phone 'pau' without its note"):
        read_score(tmp_path / "mono.lab", score=tmp_path / "mono.lab")


def test_which_score(tmp_path, caplog):
    path = song(tmp_path)
    with pytest.raises(UserError, match="part: given for a .ust file"):
        read_score(path, part="1")
    own = read_score(path)
    other = tmp_path / "other"
    other.mkdir()
    write_score(other / "x.MusicXML", read_score(tmp_path / "song.ust", language="ja"))
    (tmp_path / "song.ust").unlink()
    with pytest.raises(
        UserError, match=r"song\.lab: a mono label, .* .expected the song's score beside it, such"
    ):
        read_score(path)
    assert sung(read_score(path, score=other / "x.MusicXML", part=1)) == sung(own)
    (other / "x.MusicXML").rename(tmp_path / "song.MusicXML")
    assert sung(read_score(path)) == sung(own)
    (tmp_path / "song.ust").write_text(UST, encoding="utf-8")
    read_score(path)
    assert "the score is song.MusicXML, not song.ust" in caplog.text
    with pytest.raises(UserError, match=r"x\.txt: score: suffix '.txt'"):
        read_score(path, score=tmp_path / "x.txt")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_other_languages(tmp_path, language, caplog):
    lyrics = {"zh": (("你", "n i"), ("好", "h ao")), "en": (("love", "L AH V"), ("me", "M IY"))}
    notes, label, now = [], [], 0.0
    for lyric, phones in lyrics[language]:
        notes.append(Note(now, now + 1, 60, lyric, tuple(phones.split())))
        for index, phone in enumerate(phones.split()):
            label.append((now + index / 4, now + (index + 1) / 4, phone.lower()))
        label[-1] = (*label[-1][:1], now + 1, label[-1][2])
        now += 1
    write_score(tmp_path / "song.musicxml", MusicScore(tuple(notes), language=language))
    (tmp_path / "song.lab").write_text(lines(label))
    score = read_score(tmp_path / "song.lab")
    assert [p.phone for p in score.phones] == [p for _, ps in lyrics[language] for p in ps.split()]
    assert score.language == language and not caplog.text


def change(index, *rows):
    return [*LABEL[:index], *rows, *LABEL[index + 1 :]]


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (
            change(4, (2.9, 3.05, "d")),
            r"song\.lab:5: phone 'd' .expected 't' of 'た' at 3.00 s in .*song\.ust",
        ),
        (change(4, (2.9, 3.05, "x")), r"song\.lab:5: phone 'x' .expected a phone of Japanese"),
        (LABEL[:4], r"song\.lab:4: the label ends .expected 't' of 'た'"),
        (
            [*LABEL[:10], (6.9, 7, "a")],
            r"song\.lab:11: phone 'a' .expected the end: .*song\.ust has no more notes",
        ),
        (
            [*LABEL[:2], (1.05, 2, "a"), (2, 2.2, "pau"), (2.2, 2.5, "a"), *LABEL[3:]],
            r"song\.lab:5: phone 'a' .expected 'cl' of 'っ'",
        ),
        (change(4, (2.95, 3.05, "t")), r"song\.lab:5: starts at 2.9500 s, the line before ends at"),
        (change(4, (2.9, 2.8, "t")), r"song\.lab:5: ends at 2.8000 s, starts at 2.9000 s"),
    ],
)
def test_mistakes(tmp_path, label, message):
    with pytest.raises(UserError, match=message):
        read_score(song(tmp_path, label))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0 1 pau\n1 2 k\n", r"lab:2: ends at 2e-07 s, read in units of 100 ns"),
        ("0 99000000.5 pau\n", r"lab:1: ends at 9.9e\+07 s, read in seconds"),
        ("0 10000000 pau\n10000000 k\n", r"lab:2: '10000000 k' .expected start, end and phone"),
        ("0 10000000 pau\nnan inf k\n", r"lab:2: 'nan inf k'"),
        ("0 10000000 pau\n", r"lab:1: the label ends .expected 'k' of 'か'"),
    ],
)
def test_lines_that_are_none(tmp_path, text, message):
    path = song(tmp_path)
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_score(path)


def test_from_the_command_line(tmp_path, capsys, caplog):
    path = song(tmp_path)
    (tmp_path / "song.ust").rename(tmp_path / "b.ust")
    with caplog.at_level(logging.WARNING), pytest.raises(SystemExit) as stop:
        main([str(path), f"{tmp_path}/a.json", "--score", str(tmp_path / "b.ust")])
    assert stop.value.code == 0
    assert sung(read_score(tmp_path / "a.json")) == PHONES
