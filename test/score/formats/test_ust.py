import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.read import read_score
from espnet2_ext.score.formats.ust import read_ust

# As UTAU lays a project out: header, notes with their parameters, rests as notes.
UST = """[#VERSION]
UST Version1.2
[#SETTING]
Tempo=120.00
Tracks=1
ProjectName={name}
VoiceDir=%VOICE%uta
OutFile=
CacheDir=a.cache
Tool1=wavtool.exe
Tool2=resampler.exe
Mode2=True
[#0000]
Length=480
Lyric=R
NoteNum=60
PreUtterance=
[#0001]
Length=480
Lyric=wo
NoteNum=62
Intensity=100
Modulation=0
PBS=-40;0
PBW=80,35
Envelope=0,5,35,0,100,100,0,%,0
[#0002]
Length=240
Lyric=+
NoteNum=64
Tempo=60,0
[#0003]
Length=240
Lyric=AP
NoteNum=60
[#0004]
Length=480
Lyric={lyric}
NoteNum=59
Flags=g-3
[#TRACKEND]
"""


def rows(score):
    return [(round(n.start_sec, 3), round(n.end_sec, 3), n.midi, n.lyric) for n in score.notes]


EXPECTED = [(0, 0.5, 0, ""), (0.5, 1, 62, "wo"), (1, 1.5, 64, "—"), (1.5, 2, 0, ""), (2, 3, 59)]


@pytest.mark.parametrize(
    ("encoding", "name", "lyric"),
    [
        ("cp932", "夜の歌", "ai4"),
        ("utf-8", "夜", "爱"),
        ("utf-8-sig", "", "爱"),
        ("gbk", "歌", "爱"),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_as_utau_writes_it(tmp_path, encoding, name, lyric, newline):
    path = tmp_path / "a.ust"
    path.write_bytes(UST.format(name=name, lyric=lyric).replace("\n", newline).encode(encoding))
    score = read_score(path)
    assert rows(score) == [*EXPECTED[:4], (*EXPECTED[4], lyric)]
    assert score.tempo == 120
    assert [n.phones for n in score.notes] == [("SP",), ("w", "o"), ("o",), ("AP",), ("ai",)]


def test_japanese_of_vcv_voicebanks(tmp_path):
    path = tmp_path / "a.ust"
    words = ("- か", "a き", "i ん", "R", "っ")
    notes = (f"[#{i}]\nLength=480\nLyric={w}\nNoteNum=60\n" for i, w in enumerate(words))
    path.write_bytes(("[#SETTING]\nTempo=120\n" + "".join(notes)).encode("cp932"))
    score = read_ust(path, "ja")
    assert [n.lyric for n in score.notes] == ["か", "き", "ん", "", "っ"]
    assert score.notes[0].phones == ("k", "a")


def test_version_2_places_notes(tmp_path):
    path = tmp_path / "a.ust"
    path.write_text(
        "[#VERSION]\nUST Version2.0\n[#SETTING]\nTempo=60\n"
        "[#0000]\nLength=960\nDuration=480\nDelta=480\nLyric=?wo\nNoteNum=60\n"
        "[#0001]\nLength=480\nDuration=480\nDelta=960\nLyric=ai\nNoteNum=60\n[#TRACKEND]\n"
    )
    assert rows(read_ust(path)) == [
        *[(0, 1, 0, ""), (1, 2, 60, "wo")],
        *[(2, 3, 0, ""), (3, 4, 60, "ai")],
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Tempo=120.00", "Tempo=nan", r"a\.ust:3: \[#SETTING\]: Tempo: 'nan'"),
        ("Tempo=120.00", "Tempo=0", "Tempo: '0'"),
        ("Length=480\nLyric=wo", "Lyric=wo", r"a\.ust:18: \[#0001\]: Length: missing"),
        ("Length=480\nLyric=wo", "Length=-5\nLyric=wo", "Length: '-5'"),
        ("Length=480\nLyric=wo", "Length=0\nLyric=wo", "Length: '0'"),
        ("Length=480\nLyric=wo", "Length=1e9\nLyric=wo", "Length: '1e9'"),
        ("Length=480\nLyric=wo", f"Length={'9' * 5000}\nLyric=wo", "Length: '999"),
        ("NoteNum=62", "NoteNum=128", "NoteNum: '128'"),
        ("NoteNum=62\n", "", "NoteNum: missing"),
        ("Lyric=wo", "Lyric=", "Lyric: empty"),
        ("Lyric=wo", "Lyric=xyz", r"\[#0001\].*'xyz'"),
        ("Lyric=wo", "Lyric=+", "without a lyric after a rest"),
        ("[#VERSION]", "hello", r"a\.ust:1: 'hello'"),
    ],
)
def test_mistakes(tmp_path, old, new, message):
    path = tmp_path / "a.ust"
    path.write_text(UST.format(name="", lyric="ai").replace(old, new))
    with pytest.raises(UserError, match=message):
        read_ust(path)


def test_overlap_in_version_2(tmp_path):
    path = tmp_path / "a.ust"
    note = "[#{}]\nLength=480\nDuration=480\nDelta={}\nLyric=wo\nNoteNum=60\n"
    path.write_text(note.format(0, 0) + note.format(1, 240))
    with pytest.raises(UserError, match=r"\[#1\]: overlapping notes"):
        read_ust(path)


def test_garbage(tmp_path):
    path = tmp_path / "a.ust"
    for data, message in (
        (b"", "no sections"),
        (b"[#SETTING]\n", "no notes"),
        (b"\xff\x80", "a section"),
    ):
        path.write_bytes(data)
        with pytest.raises(UserError, match=message):
            read_ust(path)
    with path.open("wb") as file:
        file.truncate(17 * 2**20)
    with pytest.raises(UserError, match="more than 16777216 bytes"):
        read_ust(path)
    with pytest.raises(UserError, match="No such file"):
        read_ust(tmp_path / "none.ust")
