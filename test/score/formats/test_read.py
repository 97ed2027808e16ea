import json
from pathlib import Path

import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.json_format import read_json_score, score_to_dict, write_json_score
from espnet2_ext.score.formats.midi import write_midi
from espnet2_ext.score.formats.opencpop import parse_line
from espnet2_ext.score.formats.read import read_score
from espnet2_ext.score.formats.write import write_score
from espnet2_ext.score.music_score import MusicScore, Note

LINE = "|我|SP w o o|rest C4 C4 D4|0.5 1 1 .5|0.4 0.15 0.95 .5|0 0 0 1"


@pytest.fixture
def score():
    return parse_line("u" + LINE, "t")[1]


def test_json_round_trip(tmp_path, score):
    path = tmp_path / "a.json"
    write_json_score(path, score)
    assert read_score(path) == score
    bare = type(score)(score.notes)
    write_json_score(path, bare)
    assert read_score(path) == bare


def test_json_by_hand(tmp_path):
    path = tmp_path / "a.json"
    notes = [
        {"start_sec": 0.5, "end_sec": 1, "midi": 60, "lyric": "你"},
        {"start_sec": 1, "end_sec": 2, "midi": 62, "lyric": "-"},
        {"start_sec": 2.5, "end_sec": 3, "midi": 64, "lyric": "hao3"},
    ]
    path.write_text(json.dumps({"notes": notes}), encoding="utf-8")
    score = read_json_score(path)
    assert [n.midi for n in score.notes] == [0, 60, 62, 0, 64]
    assert [n.phones for n in score.notes][1:3] == [("n", "i"), ("i",)] and score.notes[2].slur


def test_json_of_espnet(tmp_path, score):
    from espnet2_ext.score.formats.espnet_format import score_to_json

    path = tmp_path / "a.json"
    path.write_text(json.dumps(score_to_json(score)), encoding="utf-8")
    assert read_score(path).notes == score.notes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"notes": None}, "notes: NoneType"),
        ({"tempo": "fast"}, "tempo: 'fast'"),
        ({"tempo": float("nan")}, "tempo: nan"),
        ({"tempo": 0}, "tempo 0"),
        ({"tempo": 10**400}, "tempo"),
        ({"speed": 1}, "unknown key 'speed'"),
        ({"format": "x"}, "format: 'x'"),
        ({"language": "xx", "phones": []}, "language: lyrics in 'xx'"),
        ({"notes": [], "phones": []}, "without notes|no notes"),
        ({"notes": [3]}, "note 0: 3"),
        ({"notes": [{"midi": 60}]}, "note 0: no 'end_sec'"),
        ({"phones": [{"phone": "a"}]}, "phone 0: no 'end_sec'"),
    ],
)
def test_json_mistakes(tmp_path, score, change, message):
    path = tmp_path / "a.json"
    value = score_to_dict(score)
    if "language" in change:
        for row in value["notes"]:
            row["phones"] = []
    path.write_text(json.dumps({**value, **change}), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_score(path)


@pytest.mark.parametrize("data", [b"", b"[" * 200_000, b"9" * 5000, b'{"a":', b"\xff\xfe", b"null"])
def test_json_garbage(tmp_path, data):
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"a\.json"):
        read_score(path)


def test_dispatch(tmp_path, score):
    write_midi(tmp_path / "a.MID", score)
    assert read_score(tmp_path / "a.MID").notes[1].midi == 60
    lines = tmp_path / "lines.txt"
    lines.write_text("u#1" + LINE + "\n", encoding="utf-8")
    assert read_score(lines) == score
    lines.write_text("u#1" + LINE + "\nu2" + LINE + "\n", encoding="utf-8")
    assert read_score(f"{lines}#u#1") == read_score(f"{lines}#u2") == score
    with pytest.raises(UserError, match="2 utterances"):
        read_score(lines)
    with pytest.raises(UserError, match="no utterance 'u3'"):
        read_score(f"{lines}#u3")
    with pytest.raises(UserError, match="suffix '.xyz'"):
        read_score(tmp_path / "a.xyz")
    with pytest.raises(UserError, match="verse: given for a .mid file"):
        read_score(tmp_path / "a.mid", verse=2)


@pytest.mark.parametrize("name", ["a.ust", "a.ustx", "a.mid", "a.musicxml"])
@pytest.mark.parametrize(
    ("lyrics", "phones", "written"),
    [
        ("啊啊你", ("n i", "h ao", "n i"), ["ni", "hao", "你"]),  # placeholders
        ("银行", ("y in", "x ing"), ["银", "xing"]),  # a reading that the phrase does not have
        ("xy", ("n v", "h ao"), ["nv", "hao"]),
        ("银行", ("y in", "h ang"), ["银", "行"]),
    ],
)
def test_lyrics_are_written_as_they_are_sung(tmp_path, name, lyrics, phones, written):
    notes = [Note(i, i + 1, 60, w, tuple(phones[i].split())) for i, w in enumerate(lyrics)]
    notes.append(Note(len(notes), len(notes) + 1, 62, "—", notes[-1].phones[-1:], True))
    sung = MusicScore(tuple(notes))
    lost = write_score(tmp_path / name, sung)
    back = read_score(tmp_path / name)
    assert [n.phones for n in back.notes] == [n.phones for n in notes]
    assert [n.lyric for n in back.notes] == [*written, "—"]
    assert any("written as sung" in item for item in lost) == (written != list(lyrics))
    write_score(tmp_path / "a.json", sung)
    assert read_score(tmp_path / "a.json") == sung


@pytest.mark.parametrize("name", ["a.txt", "a.m4singer.json", "a.json", "data"])
def test_the_language_of_a_file_that_has_one(tmp_path, score, name):
    """Formats of one language, or that say it, take it from --lang too."""
    write_score(tmp_path / name, score)
    own = read_score(tmp_path / name)
    assert read_score(tmp_path / name, language="zh") == own
    assert read_score(tmp_path / name, default_language="ja") == own
    if name != "a.json":
        with pytest.raises(UserError, match="language: 'ja' .expected zh, as the file has it"):
            read_score(tmp_path / name, language="ja")


@pytest.mark.parametrize(
    ("name", "lyrics"),
    [
        ("brother_john.musicxml", "春风花朵白云飞翔我爱你我爱家—草原山坡美丽大海河流温暖"),
        ("ode_to_joy.mid", "tai4yang2yue4liang4tian1kong1bai2yun2ge1sheng1yin1yue4kuai4—le4"),
    ],
)
def test_shipped_scores(name, lyrics):
    score = read_score(Path("egs2/mini_singing/speechlm1/scores") / name)
    assert "".join(note.lyric for note in score.notes) == lyrics
    assert {note.midi for note in score.notes} <= {0, *range(55, 65)}
    assert all(note.phones for note in score.notes)
