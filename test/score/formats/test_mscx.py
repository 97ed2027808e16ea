import zipfile

import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.mscx import read_mscx
from espnet2_ext.score.formats.read import read_score


def chord(pitch, lyric=None, length="quarter", *more, syllabic="", second=None, tie=""):
    lyrics = ""
    for number, text in enumerate((lyric, second)):
        if text:
            no = f"<no>{number}</no>" if number else ""
            mark = f"<syllabic>{syllabic}</syllabic>" if syllabic else ""
            lyrics += f"<Lyrics>{no}{mark}<text>{text}</text></Lyrics>"
    ends = f'<Spanner type="Tie"><{tie}><location/></{tie}></Spanner>' if tie else ""
    return (
        f"<Chord>{''.join(more)}<durationType>{length}</durationType>{lyrics}"
        f"<Note>{ends}<pitch>{pitch}</pitch><tpc>14</tpc></Note></Chord>"
    )


def rest(length="quarter", duration=""):
    return f"<Rest><durationType>{length}</durationType>{duration}</Rest>"


def measure(*content, marks=""):
    return f"<Measure>{marks}<voice>{''.join(content)}</voice></Measure>"


def document(*staves, version="4.20"):
    parts = "".join(
        f'<Part><Staff id="{n}"/><trackName>{name}</trackName></Part>'
        for n, (name, _) in enumerate(staves, 1)
    )
    content = "".join(f'<Staff id="{n}">{m}</Staff>' for n, (_, m) in enumerate(staves, 1))
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<museScore version="{version}"><Score>'
        f"<Division>480</Division>{parts}{content}</Score></museScore>"
    )


TEMPO = "<Tempo><tempo>1</tempo><text>q = 60</text></Tempo>"
PIANO = measure("<Tempo><tempo>2</tempo></Tempo>", rest("measure", "<duration>4/4</duration>"))
PIANO += measure(rest("half"), TEMPO, rest("half"))
VOICE = measure(chord(60, "ni"), chord(62), rest(), chord(64, "好", tie="next"))
VOICE += measure(
    *[chord(64, None, "quarter", "<dots>1</dots>", tie="prev"), chord(65, "ma", "eighth")],
    rest("half"),
)
SONG = document(("Piano", PIANO), ("Voice", VOICE))


def write(path, text=SONG):
    if path.suffix == ".mscx":
        path.write_text(text, encoding="utf-8")
        return path
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Excerpts/a/a.mscx", "<museScore/>")
        archive.writestr("song.mscx", text)
    return path


def rows(score):
    return [(round(n.start_sec, 3), round(n.end_sec, 3), n.midi, n.lyric) for n in score.notes]


@pytest.mark.parametrize("suffix", ["mscx", "mscz"])
def test_as_the_program_writes_it(tmp_path, suffix):
    score = read_score(write(tmp_path / f"a.{suffix}"))
    assert rows(score) == [
        *[(0, 0.5, 60, "ni"), (0.5, 1, 62, "—"), (1, 1.5, 0, ""), (1.5, 2.75, 64, "好")],
        *[(2.75, 3, 65, "ma"), (3, 5, 0, "")],
    ]
    assert score.notes[1].slur and score.tempo == 120


def test_tempo_change_of_another_staff(tmp_path):
    voice = measure(chord(60, "ni", "whole")) + measure(chord(62, "hao", "whole"))
    score = read_score(write(tmp_path / "a.mscx", document(("Piano", PIANO), ("Voice", voice))))
    assert rows(score) == [(0, 2, 60, "ni"), (2, 5, 62, "hao")]


def test_part_and_verse(tmp_path):
    other = measure(chord(70, "1. wo", "whole", second="2. ai"))
    path = write(tmp_path / "a.mscx", document(("Voice", VOICE), ("Alto", other)))
    assert rows(read_score(path, part="Alto")) == [(0, 2, 70, "wo")]
    assert rows(read_score(path, part=2, verse=2)) == [(0, 2, 70, "ai")]
    assert read_score(path).notes[0].midi == 60
    with pytest.raises(UserError, match="part: no part 'x' .expected 1 .Voice., 2 .Alto."):
        read_score(path, part="x")
    with pytest.raises(UserError, match="no verse 3"):
        read_score(path, part=2, verse=3)
    with pytest.raises(UserError, match="no voice '2'"):
        read_score(path, voice=2)
    with pytest.raises(UserError, match="no lyrics"):
        read_score(write(tmp_path / "b.mscx"), part="Piano")


def test_second_voice(tmp_path):
    second = f"<voice>{rest('half')}{chord(50, 'wo', 'half')}</voice>"
    both = measure(chord(60, None, "whole")).replace("</Measure>", f"{second}</Measure>")
    score = read_score(write(tmp_path / "a.mscx", document(("Voice", both))))
    assert rows(score) == [(0, 1, 0, ""), (1, 2, 50, "wo")]


def test_repeat_with_endings(tmp_path):
    def ending(number):
        return (
            f'<Spanner type="Volta"><Volta><endings>{number}</endings></Volta>'
            "<next><location><measures>1</measures></location></next></Spanner>"
        )

    voice = measure(chord(60, "ni", "whole", second="wo"), marks="<startRepeat/>")
    voice += measure(ending(1), chord(61, "hao", "whole"), marks="<endRepeat>2</endRepeat>")
    voice += measure(ending(2), chord(62, "ai", "whole"))
    score = read_score(write(tmp_path / "a.mscx", document(("Voice", voice))))
    assert [(n.midi, n.lyric) for n in score.notes] == [
        *[(60, "ni"), (61, "hao"), (60, "wo"), (62, "ai")]
    ]


def test_da_capo_al_fine(tmp_path):
    jump = "<Jump><jumpTo>start</jumpTo><playUntil>fine</playUntil></Jump>"
    voice = measure(chord(60, "ni", "whole"), marks="<Marker><label>fine</label></Marker>")
    voice += measure(chord(62, "hao", "whole"), marks=jump)
    score = read_score(write(tmp_path / "a.mscx", document(("Voice", voice))))
    assert [n.midi for n in score.notes] == [60, 62, 60]


def test_tuplet_grace_small_and_breath(tmp_path):
    tuplet = "<Tuplet><normalNotes>2</normalNotes><actualNotes>3</actualNotes></Tuplet>"
    three = [chord(60, "ni", "eighth"), chord(61, None, "eighth"), chord(62, None, "eighth")]
    cue = chord(90, "wo").replace("<tpc>", "<small>1</small><play>0</play><tpc>")
    breath = "<Breath><symbol>breathMarkComma</symbol></Breath>"
    voice = measure(
        *[tuplet, *three, "<endTuplet/>", cue],
        *[chord(70, None, "eighth", "<acciaccatura/>"), chord(64, "hao"), breath, rest()],
    )
    score = read_score(write(tmp_path / "a.mscx", document(("Voice", voice))))
    assert [n.midi for n in score.notes] == [60, 61, 62, 0, 70, 64, 0]
    assert score.notes[1].start_sec == pytest.approx(0.5 / 3)
    assert score.notes[4].lyric == "hao" and score.notes[5].slur  # sung from the grace note on
    assert score.notes[-1].phones == ("AP",)


def test_words_over_notes(tmp_path):
    pytest.importorskip("espeakng_loader")
    voice = measure(chord(60, "hel", syllabic="begin"), chord(62, "lo", syllabic="end"))
    path = write(tmp_path / "a.mscx", document(("Voice", voice)))
    assert [n.lyric for n in read_score(path, language="en").notes] == ["hel-", "lo"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('version="4.20"', 'version="2.06"', "museScore: version '2.06' .expected version 3 or 4"),
        ("museScore", "score", "root element 'score'"),
        ("<pitch>62</pitch>", "", "part Voice, measure 1, note 2: pitch: missing"),
        ("<pitch>62</pitch>", "<pitch>x</pitch>", "note 2: pitch: 'x'"),
        ("<durationType>eighth", "<durationType>odd", "measure 2: durationType: 'odd'"),
        ("<dots>1", "<dots>9", "measure 2: dots: '9'"),
        ("<tempo>1<", "<tempo>0<", "measure 2: tempo: '0'"),
        ("4/4", "4/0", "duration: '4/0'"),
        ("<text>好", "<text>xyz", "note 3: no phones for the syllable 'xyz'"),
        ("</Score>", "", r"a\.mscx:\d+: broken XML"),
        ("<museScore ", "<!DOCTYPE a [<!ENTITY b 'c'>]><museScore ", "declares entities"),
    ],
)
def test_mistakes(tmp_path, old, new, message):
    assert old in SONG
    with pytest.raises(UserError, match=message):
        read_mscx(write(tmp_path / "a.mscx", SONG.replace(old, new)))


def test_a_file_without_a_score(tmp_path):
    with pytest.raises(UserError, match="Score: no score"):
        read_mscx(write(tmp_path / "a.mscx", '<museScore version="3.02"/>'))


def test_an_archive_without_a_score(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.mscz", "w") as archive:
        archive.writestr("x.txt", "x")
    with pytest.raises(UserError, match="no member 'score.mscx'"):
        read_mscx(tmp_path / "a.mscz")
    (tmp_path / "b.mscz").write_bytes(b"PK\3\4")
    with pytest.raises(UserError, match="not a zip archive"):
        read_mscx(tmp_path / "b.mscz")
