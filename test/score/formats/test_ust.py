import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.read import read_score
from espnet2_ext.score.formats.ust import read_ust, write_ust

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


def ust_of(path, lyrics, encoding="utf-8"):
    """A project of quarter notes on C4 at 120 beats per minute."""
    notes = (f"[#{i:04d}]\nLength=480\nLyric={w}\nNoteNum=60\n" for i, w in enumerate(lyrics))
    path.write_bytes(("[#SETTING]\nTempo=120\n" + "".join(notes)).encode(encoding))
    return path


@pytest.mark.parametrize("lyrics", ["かきんさよな", ("a さ", "息", "- か", "く_C4", "R")])
@pytest.mark.parametrize("language", [None, "zh", "en"])
def test_shift_jis_kana_are_no_hanzi(tmp_path, lyrics, language):
    """In GB 18030 the same bytes are hanzi, which were sung as Mandarin."""
    path = ust_of(tmp_path / "a.ust", lyrics, "cp932")
    with pytest.raises(UserError, match=r"a\.ust:3: \[#0000\]: .*[かさ].*or --lang ja"):
        read_score(path, language=language)
    assert read_score(path, language="ja").notes[0].phones[-1] == "a"


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8"])
def test_gb_18030_hanzi_stay_hanzi(tmp_path, encoding):
    path = ust_of(tmp_path / "a.ust", "你好我们在这里", encoding)
    assert "".join(n.lyric for n in read_score(path).notes) == "你好我们在这里"


def test_the_word_rest_is_sung(tmp_path):
    words = ("take", "rest", "now", "R", "r", "pause", "silence", "sil", "SP", "pau", "Rest")
    score = read_ust(ust_of(tmp_path / "a.ust", words), "en")
    assert [n.lyric for n in score.notes if not n.is_rest] == [
        *("take", "rest", "now", "pause", "silence", "Rest")
    ]
    assert score.notes[1].phones == ("R", "EH", "S", "T")
    write_ust(tmp_path / "b.ust", score)
    assert read_ust(tmp_path / "b.ust", "en") == score
    assert read_ust(ust_of(tmp_path / "c.ust", ("wo", "rest"))).notes[1].is_rest


def test_pitches_and_takes_of_voicebanks_are_no_lyrics(tmp_path):
    words = ("か_C4", "a さ_C4", "- な_D#4", "かC4", "a か F#3", "か2", "ka_C4", "kaD4", "a か_強")
    score = read_ust(ust_of(tmp_path / "a.ust", words), "ja")
    assert [n.lyric for n in score.notes] == [*"かさなかかか", "ka", "ka", "か"]
    score = read_ust(ust_of(tmp_path / "b.ust", ("ni3_C4", "hao", "_", "你_F4", "NA4")))
    assert [n.lyric for n in score.notes] == ["ni3", "hao", "—", "你", "NA4"]


def test_breaths_and_rests_of_voicebanks(tmp_path):
    words = (
        "か",
        "br",
        "さ",
        "息",
        "な",
        "a R",
        "か",
        "a -",
        "か",
        "i 吸1",
        "さ",
        "br2",
        "さ",
        "R_C4",
    )
    score = read_ust(ust_of(tmp_path / "a.ust", words), "ja")
    rests = [n.phones[0] for n in score.notes if n.is_rest]
    assert rests == ["AP", "AP", "SP", "SP", "AP", "AP", "SP"]
    chinese = read_ust(ust_of(tmp_path / "b.ust", ("息", "br", "吸")))
    assert [n.phones for n in chinese.notes] == [("x", "i"), ("AP",), ("x", "i")]


@pytest.mark.parametrize("alias", ["- hh", "hh ah", "ah l", "l ow_C4", "n -"])
def test_arpasing_is_not_spelled_out(tmp_path, alias):
    with pytest.raises(UserError, match=rf"\[#0001\]: lyric: '{alias}', two phones of ARPAsing"):
        read_ust(ust_of(tmp_path / "a.ust", ("so", alias)), "en")


@pytest.mark.parametrize("lyric", ["ah", "ow -", "oh my", "ah ah", "uh huh"])
def test_english_words_are_no_aliases(tmp_path, lyric):
    assert read_ust(ust_of(tmp_path / "a.ust", (lyric,)), "en").notes[0].midi == 60


def test_an_error_shows_the_whole_alias(tmp_path):
    with pytest.raises(UserError, match="the lyric is 'か愛'"):
        read_ust(ust_of(tmp_path / "a.ust", ("か愛",)), "ja")


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


def test_overlap_in_version_2(tmp_path, caplog):
    path = tmp_path / "a.ust"
    note = "[#{}]\nLength=480\nDuration=480\nDelta={}\nLyric=wo\nNoteNum=60\n"
    path.write_text(note.format(0, 0) + note.format(1, 240))
    with pytest.raises(UserError, match=r"\[#1\]: overlapping notes"):
        read_ust(path)
    path.write_text(note.format(0, 0) + note.format(1, 336))
    assert rows(read_ust(path)) == [(0, 0.35, 60, "wo"), (0.35, 0.85, 60, "wo")]
    assert "1 notes last into the next, by up to 0.150 s: cut there" in caplog.text


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


@pytest.mark.parametrize("language", ["de", "en", "fr"])
def test_words_with_an_underscore_between_them_are_all_sung(tmp_path, language):
    words = ("la_la", "la_C4", "la_la_D#4", "LA", "laB3")
    score = read_ust(ust_of(tmp_path / "a.ust", words), language)
    assert [len(note.phones) for note in score.notes if note.midi] == [4, 2, 4, 2, 2]
    assert score.notes[2].lyric == "la_la"
