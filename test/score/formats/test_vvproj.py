import copy
import json

import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.read import read_score
from espnet2_ext.score.formats.vvproj import read_vvproj


def note(position, duration, number, lyric):
    times = {"position": position, "duration": duration}
    return {"id": f"n{position}", **times, "noteNumber": number, "lyric": lyric}


def track(name, notes, **more):
    singer = {"engineId": "e", "styleId": 6000}
    values = {"keyRangeAdjustment": 0, "volumeRangeAdjustment": 0, "pitchEditData": []}
    sound = {"solo": False, "mute": False, "gain": 1, "pan": 0}
    return {"name": name, "singer": singer, **values, "notes": notes, **sound, **more}


LEAD = [note(0, 480, 60, "ど"), note(480, 480, 62, "ー"), note(1440, 480, 64, "ファ")]
PROJECT = {
    "appVersion": "0.22.0",
    "talk": {"audioKeys": [], "audioItems": {}},
    "song": {
        "tpqn": 480,
        "tempos": [{"position": 0, "bpm": 120}, {"position": 480, "bpm": 60}],
        "timeSignatures": [{"measureNumber": 1, "beats": 4, "beatType": 4}],
        "tracks": {"b": track("harmony", [note(0, 480, 67, "そ")]), "a": track("lead", LEAD)},
        "trackOrder": ["a", "b"],
    },
}


def write(path, project=PROJECT):
    path.write_text(json.dumps(project, ensure_ascii=False), encoding="utf-8")
    return path


def changed(change):
    project = copy.deepcopy(PROJECT)
    change(project["song"])
    return project


def rows(score):
    return [(round(n.start_sec, 3), round(n.end_sec, 3), n.midi, n.lyric) for n in score.notes]


LEAD_ROWS = [(0, 0.5, 60, "ど"), (0.5, 1.5, 62, "—"), (1.5, 2.5, 0, ""), (2.5, 3.5, 64, "ファ")]


def test_as_the_program_writes_it(tmp_path, caplog):
    score = read_score(write(tmp_path / "a.VVPROJ"), default_language="zh")
    assert rows(score) == LEAD_ROWS
    assert score.tempo == 120 and score.language == "ja"
    assert score.notes[-1].phones == ("f", "a")
    assert "1 of 2 tracks is read: lead" in caplog.text


def test_projects_of_one_track_are_a_list(tmp_path):
    older = changed(lambda s: s.update(tracks=[s["tracks"]["a"]], trackOrder=None))
    del older["song"]["trackOrder"]
    assert rows(read_score(write(tmp_path / "a.vvproj", older))) == LEAD_ROWS


def test_part_mute_and_solo(tmp_path):
    path = write(tmp_path / "a.vvproj")
    assert rows(read_score(path, part="harmony")) == rows(read_score(path, part=2))
    for mark in ({"a": "mute"}, {"b": "solo"}):
        ((key, name),) = mark.items()
        project = changed(lambda s, k=key, n=name: s["tracks"][k].update({n: True}))
        assert read_score(write(tmp_path / "b.vvproj", project)).notes[0].midi == 67


def test_notes_without_a_lyric_sing_do_re_mi(tmp_path, caplog):
    project = changed(lambda s: [n.update(lyric=None) for n in s["tracks"]["a"]["notes"]])
    score = read_score(write(tmp_path / "a.vvproj", project))
    assert [n.lyric for n in score.notes] == ["ド", "レ", "", "ミ"]
    assert "3 notes without a lyric sing do, re, mi" in caplog.text


def note_with(**values):
    return lambda s: s["tracks"]["a"]["notes"][1].update(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (note_with(position="x"), "track lead, note 2: position: 'x'"),
        (note_with(position=10), "note 2: starts at tick 10, before 480"),
        (note_with(duration=0), "note 2: duration: 0"),
        (note_with(noteNumber=None), "note 2: noteNumber: missing"),
        (note_with(lyric=3), "note 2: lyric: 3"),
        (note_with(lyric="好"), "note 2: .*'好'"),
        (lambda s: s.update(tpqn=0), "tpqn: 0"),
        (lambda s: s["tempos"][1].update(bpm=-1), "tempo 2: bpm: -1"),
        (lambda s: s.update(trackOrder=["a"]), "trackOrder: .* .expected the ids of all tracks"),
        (lambda s: s.update(tracks={"a": 3, "b": 4}), "tracks: "),
        (lambda s: s.update(tracks={}, trackOrder=[]), "no notes"),
        (lambda s: s.pop("tracks"), "no notes"),
    ],
)
def test_mistakes(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        read_vvproj(write(tmp_path / "a.vvproj", changed(change)))


@pytest.mark.parametrize("data", [b"", b"[]", b"3", b"\xff\xfe", b"{", b"\0", b'{"talk": {}}'])
def test_garbage(tmp_path, data):
    path = tmp_path / "a.vvproj"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"a\.vvproj"):
        read_vvproj(path)


def test_speech_has_no_song(tmp_path):
    with pytest.raises(UserError, match="song: no song .expected a VOICEVOX project with a song"):
        read_vvproj(write(tmp_path / "a.vvproj", {"talk": PROJECT["talk"]}))
