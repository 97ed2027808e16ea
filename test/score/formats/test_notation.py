"""ABC, Humdrum and MEI; what needs the extra `notation` is skipped without it."""

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats import abc_tunes, kern_text, notation_worker
from espnet2_ext.score.formats.abc_tunes import sung_in_another_order, tune_of
from espnet2_ext.score.formats.kern_text import expanded_otherwise, syllables_of_kern
from espnet2_ext.score.formats.mei_endings import Ending
from espnet2_ext.score.formats.mei_text import prepare_mei
from espnet2_ext.score.formats.read import read_score

from .test_hostile import damaged

WORKER = Path(notation_worker.__file__)
ABC = """X:1
T:A song
M:3/4
L:1/4
Q:1/4=120
K:F
V:1 name="Voice"
|: F G B |1 A3 :|2 F2 z |
w: ka-ri so to ha
w: no-de ho * mi
[Q:1/4=60] (3FGA F | F- F/ G/ F |]
w: a * _ ka | u _ na o~i
V:2 name="Bass"
|: F,3 |1 F,3 :|2 F,3 | F,3 | F,3 |]
"""
KERN = """!!!OTL: A song
**kern	**text	**text	**kern
*I"Voice	*	*	*I"Bass
*k[b-]	*	*	*k[b-]
*M3/4	*	*	*M3/4
*MM120	*	*	*MM120
*>[A,A1,A,A2]	*	*	*>[A,A1,A,A2]
*>A	*>A	*>A	*>A
4f	ka-	no-	2.F
4g	-ri	-de	.
4b-	so	ho	.
=2	=2	=2	=2
*>A1	*>A1	*>A1	*>A1
2.a	to	.	2.F
=3:|!	=3:|!	=3:|!	=3:|!
*>A2	*>A2	*>A2	*>A2
2f	ha	mi	2.F
4r	.	.	.
=4	=4	=4	=4
*MM60	*	*	*MM60
6f	a	.	2.F
6g	.	.	.
6a	.	.	.
4f	ka	.	.
=5	=5	=5	=5
[4f	u	.	2.F
8f]	.	.	.
8g	na	.	.
4f	o i	.	.
==	==	==	==
*-	*-	*-	*-
"""


def mei_note(pitch, length, *syllables, octave=4, **more):
    """A note with a syllable per verse; hyphens say where its word goes on."""
    verses = ""
    for number, syllable in enumerate(syllables, 1):
        begins, goes_on = not syllable.startswith("-"), syllable.endswith("-")
        position = {(True, True): "i", (False, False): "t", (False, True): "m"}.get(
            (begins, goes_on), "s"
        )
        text = f'<syl wordpos="{position}">{syllable.strip("-")}</syl>'
        verses += f'<verse n="{number}">{text}</verse>'
    values = {"pname": pitch, "oct": octave, "dur": length, **more}
    written = " ".join(f'{name.replace("_", ".")}="{value}"' for name, value in values.items())
    return f"<note {written}>{verses}</note>"


def mei_measure(number, notes, more="", **values):
    marks = "".join(f' {name}="{value}"' for name, value in values.items())
    staves = [notes, mei_note("f", 2, dots=1, octave=3)]
    written = "".join(
        f'<staff n="{n}"><layer n="1">{own}</layer></staff>' for n, own in enumerate(staves, 1)
    )
    return f'<measure n="{number}"{marks}>{written}{more}</measure>'


def mei_staff(number, label):
    clef = 'clef.shape="G" clef.line="2"'
    return f'<staffDef n="{number}" lines="5" {clef}><label>{label}</label></staffDef>'


MEI_SECTIONS = [
    mei_measure(
        1,
        mei_note("f", 4, "ka-", "no-")
        + mei_note("g", 4, "-ri", "-de")
        + mei_note("b", 4, "so", "ho", accid_ges="f"),
        left="rptstart",
    ),
    mei_measure(2, mei_note("a", 2, "to", dots=1), right="rptend"),
    mei_measure(3, mei_note("f", 2, "ha", "mi") + '<rest dur="4"/>'),
    mei_measure(
        4,
        '<tuplet num="3" numbase="2">'
        + mei_note("f", 4, "a")
        + mei_note("g", 4)
        + mei_note("a", 4)
        + "</tuplet>"
        + mei_note("f", 4, "ka"),
        '<tempo tstamp="1" staff="1" mm="60" mm.unit="4">Lento</tempo>',
    )
    + mei_measure(
        5,
        mei_note("f", 4, "u", tie="i")
        + mei_note("f", 8, tie="t")
        + mei_note("g", 8, "na")
        + mei_note("f", 4, "o i"),
        right="end",
    ),
]
MEI = """<?xml version="1.0" encoding="UTF-8"?>
<mei xmlns="http://www.music-encoding.org/ns/mei" meiversion="4.0.0">
<meiHead><fileDesc><titleStmt><title>A song</title></titleStmt><pubStmt/></fileDesc></meiHead>
<music><body><mdiv><score>
<scoreDef meter.count="3" meter.unit="4" key.sig="1f" midi.bpm="120"><staffGrp>{}{}</staffGrp>
</scoreDef><section>{}</section><ending n="1">{}</ending><ending n="2">{}</ending>
<section>{}</section></score></mdiv></body></music></mei>""".format(
    mei_staff(1, "Voice"), mei_staff(2, "Bass"), *MEI_SECTIONS
)
WHOLE = {"a.abc": ABC, "a.krn": KERN, "a.mei": MEI}
HEAD = [(0, 65, "ka"), (0.5, 67, "ri"), (1, 70, "so")]
SECOND = [(3, 65, "no"), (3.5, 67, "de"), (4, 70, "ho")]
TAIL = [
    *[(5.5, 0, ""), (6, 65, "a"), (6.667, 67, "—"), (7.333, 69, "—"), (8, 65, "ka")],
    *[(9, 65, "u"), (10.5, 67, "na"), (11, 65, "o i")],
]


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def rows(score):
    return [(round(n.start_sec, 3), n.midi, n.lyric.strip("-")) for n in score.notes]


@pytest.mark.parametrize("name", WHOLE)
def test_a_song_with_repeats_verses_tempos_and_ties(tmp_path, name, caplog):
    path = write(tmp_path / name, WHOLE[name])
    score = read_score(path, language="ja")
    assert rows(score) == [*HEAD, (1.5, 69, "to"), *SECOND, (4.5, 65, "mi"), *TAIL]
    assert score.tempo == 120 and round(score.duration_sec, 3) == 12
    assert not [m for m in caplog.messages if "lyrics of other voices" not in m]
    score = read_score(path, language="ja", part="Voice", verse=1)
    assert rows(score) == [
        *[*HEAD, (1.5, 69, "to")],
        *[(start + 3, midi, lyric) for start, midi, lyric in HEAD],
        *[(4.5, 65, "ha"), *TAIL],
    ]
    with pytest.raises(UserError, match="part: no part 'Alto' .expected 1 .(Voice|Bass)., 2"):
        read_score(path, part="Alto")
    with pytest.raises(UserError, match="no lyrics"):
        read_score(path, part="Bass")


def test_a_tune_of_several(tmp_path):
    second = "\nX:2\nT:B\nM:4/4\nL:1/4\nK:C\nCDEF |]\nw: do re mi fa\n"
    path = write(tmp_path / "a.abc", "%%abc-charset utf-8\n" + ABC + second)
    assert [n.midi for n in read_score(f"{path}#2", language="ja").notes] == [60, 62, 64, 65]
    with pytest.raises(UserError, match=r"a\.abc: 2 tunes .expected one: .*a\.abc#X, such as #1"):
        read_score(path)
    with pytest.raises(UserError, match="X: 0 tunes of the number '3' .expected 1, 2"):
        read_score(f"{path}#3")


def test_code_in_a_file_is_not_run(tmp_path):
    code = f"__import__('pathlib').Path({str(tmp_path / 'x')!r}).touch()"
    text = ABC.replace("M:3/4", f"M:{code}/4")
    with pytest.raises(UserError):
        read_score(write(tmp_path / "a.abc", text.replace("ka-ri", "xq")), language="ja")
    read_score(write(tmp_path / "b.abc", ABC.replace("M:3/4", "M:2+1/4")), language="ja")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", WHOLE)
def test_damage(tmp_path, name, monkeypatch):
    """Within this process, so without the limits that the worker sets to itself."""
    monkeypatch.setattr(notation_worker, "lock_down", lambda: None)
    kind = {"abc": "abc", "krn": "humdrum", "mei": "mei"}[name[2:]]
    rng = random.Random(0)
    for _ in range(20):
        text = damaged(WHOLE[name].encode(), rng).decode("utf-8", "replace")
        answer = notation_worker.convert(text, kind)
        assert answer.get("musicxml") or "\n" not in answer["error"]
    path = write(tmp_path / name, WHOLE[name][: len(WHOLE[name]) // 2])
    try:
        assert read_score(path, language="ja")
    except UserError as error:
        assert "\n" not in str(error) and name in str(error)


def test_what_is_not_read_is_a_warning(tmp_path, caplog):
    text = ABC.replace("K:F", "P:AAB\nK:F").replace("X:1", "%%abc-include a.fmt\nX:1")
    read_score(write(tmp_path / "a.abc", text), language="ja")
    assert "the order of parts (P:) is not played" in caplog.text
    assert "1 files to include (abc-include) are not read" in caplog.text


@pytest.mark.parametrize("page", ["cp932", "utf-8-sig"])
def test_encodings(tmp_path, caplog, page):
    path = tmp_path / "a.abc"
    path.write_bytes(ABC.replace("ka-ri so", "か-り そ").replace("\n", "\r\n").encode(page))
    score = read_score(path, language="ja")
    assert [n.lyric for n in score.notes][:3] == ["か", "り", "そ"]
    assert ("not UTF-8, read as cp932" in caplog.text) == (page == "cp932")


@pytest.mark.parametrize("name", WHOLE)
def test_without_the_extra(tmp_path, name, monkeypatch):
    monkeypatch.setattr("espnet2_ext.score.formats.notation.find_spec", lambda _: None)
    with pytest.raises(UserError) as raised:
        read_score(write(tmp_path / name, WHOLE[name]))
    message = f"{name[1:]} needs the package converter21, which is not installed"
    assert message in str(raised.value)
    assert "pip install 'espnet2-ext[notation]'" in str(raised.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.abc", "a song", "no tune .no K: field."),
        ("a.krn", "a song", r"no \*\*kern spine"),
        ("a.mei", "a song", r"a\.mei:1: broken XML"),
        ("a.mei", "<score-partwise/>", "root element 'score-partwise' .expected an MEI file: mei"),
        ("a.mei", MEI.replace('midi.bpm="120"', 'midi.bpm="fast"'), "scoreDef: midi.bpm: 'fast'"),
        ("a.mei", MEI.replace("</body>", "<mdiv/></body>"), "2 movements .mdiv."),
        ("a.mei", f"<!DOCTYPE a [<!ENTITY b 'c'>]>{MEI[39:]}", "declares entities"),
    ],
)
def test_mistakes(tmp_path, name, text, message):
    with pytest.raises(UserError, match=message):
        read_score(write(tmp_path / name, text))


def test_the_worker_writes_and_starts_nothing(tmp_path):
    code = "\n".join(
        [
            "import runpy, socket, subprocess, sys, json",
            f"worker = runpy.run_path({str(WORKER)!r})",
            "worker['lock_down']()",
            "def tried(act):",
            "    try: act()",
            "    except PermissionError as error: return str(error)",
            "print(json.dumps([tried(act) for act in (",
            f"    lambda: open({str(tmp_path / 'x')!r}, 'w'),",
            "    lambda: socket.socket().connect(('127.0.0.1', 9)),",
            "    lambda: subprocess.run(['true']),",
            f"    lambda: open({str(WORKER)!r}).close(),",
            ")]))",
        ]
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    refused = json.loads(done.stdout)
    assert [bool(reason) for reason in refused] == [True, True, True, False]
    assert not list(tmp_path.iterdir())


def test_which_tune():
    path = Path("a.abc")
    assert tune_of("K:C\nC", None, path) == "X:1\nK:C\nC"
    assert tune_of("%a\nX:1\nK:C\nC\nX: 2\nK:D\nD", "02", path) == "%a\nX: 2\nK:D\nD"
    assert not sung_in_another_order("X:1\nP:AB\nK:C\nP:A\nC\nP:B\nD")
    assert sung_in_another_order("X:1\nP:A.B.A\nK:C\nP:A\nC\nP:B\nD")
    assert not sung_in_another_order("X:1\nK:C\nP:A\nC")


def test_tempos_that_are_words_alone():
    abc = 'X:1\nQ:"Lento"\nK:C\nC [Q:"Allegro" 1/4=120] D [Q:"Presto"] E\n'
    assert abc_tunes.tempo_in_words(abc) == ['"Lento"', '"Presto"']
    kern = "!!!OMD: Lento\n**kern\n4c\n*-\n"
    assert kern_text.tempo_in_words(kern) == ["Lento"]
    assert kern_text.tempo_in_words(kern.replace("4c", "*MM80\n4c")) == []
    assert kern_text.tempo_in_words(kern.replace("Lento", "Lento [quarter]=80")) == []
    words = MEI.replace(' mm="60" mm.unit="4"', "")
    assert prepare_mei(MEI.encode(), Path("a.mei")).tempo_in_words == []
    assert prepare_mei(words.encode(), Path("a.mei")).tempo_in_words == ["Lento"]


def test_syllables_and_sections_of_humdrum():
    assert syllables_of_kern(KERN) == 14
    split = "**kern\t**text\n*^\t*\n4c\t4d\tka\n*v\t*v\t*\n4c\tri\n*x\t*x\nso\t4c\n*-\t*-\n"
    assert syllables_of_kern(split) == 3
    assert not expanded_otherwise(KERN)
    assert expanded_otherwise(KERN.replace(":|!", ""))


def test_tempo_of_a_score_definition(caplog):
    mei = prepare_mei(MEI.encode(), Path("a.mei"))
    assert mei.text.count("midi.bpm") == 3 and mei.syllables == 14
    assert mei.endings == [Ending("1", 1, 1), Ending("2", 2, 2)] and mei.n_measures == 5
    for stated in ('midi.mspb="500000"', 'mm="80" mm.unit="4" mm.dots="1"', 'mm="240" mm.unit="8"'):
        mei = prepare_mei(MEI.replace('midi.bpm="120"', stated).encode(), Path("a.mei"))
        assert '<tempo tstamp="1" staff="1" midi.bpm="120" />' in mei.text
    assert not caplog.text


def test_accidentals_follow_key_measure_and_tie(caplog):
    def layer(*notes):
        return "".join(mei_note(*note[:2], **(note[2] if len(note) > 2 else {})) for note in notes)

    first = layer(
        ("b", 4), ("b", 4, {"accid": "n"}), ("b", 4), ("e", 4, {"accid": "s", "tie": "i"})
    )
    second = layer(("e", 4, {"tie": "t"}), ("e", 4), ("b", 4))
    text = MEI.replace(MEI_SECTIONS[0], mei_measure(1, first) + mei_measure(2, second))
    mei = prepare_mei(text.replace(' accid.ges="f"', "").encode(), Path("a.mei"))
    staff = [part.partition("</staff>")[0] for part in mei.text.split('<staff n="1">')[1:3]]
    sounding = [re.findall(r'accid(?:\.ges)?="(.)"', part) for part in staff]
    assert sounding == [["f", "n", "n", "s"], ["s", "n", "f"]]
    assert "no note says how it sounds (accid.ges)" in caplog.text


def test_numbers_of_verses_are_no_syllables():
    text = MEI.replace(">ka<", "><rend>1~ka</rend><").replace(">o i<", ">o~i<")
    mei = prepare_mei(text.encode(), Path("a"))
    assert ">ka<" in mei.text and ">o i<" in mei.text


def test_endings_without_a_number():
    text = MEI.replace('<ending n="1">', "<ending>").replace('<ending n="2">', '<ending n="b">')
    mei = prepare_mei(text.encode(), Path("a.mei"))
    assert mei.endings == [Ending("1", 1, 1), Ending("2", 2, 2)]
