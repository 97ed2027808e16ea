import copy
import json

import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.read import read_score
from espnet2_ext.score.formats.svp import BLICKS_PER_BEAT as BEAT
from espnet2_ext.score.formats.svp import read_svp


def note(onset, duration, pitch, lyrics):
    times = {"onset": int(onset * BEAT), "duration": int(duration * BEAT)}
    more = {"phonemes": "", "detune": 0, "attributes": {}, "musicalType": "singing"}
    return {**times, "lyrics": lyrics, "pitch": pitch, **more}


def track(name, notes, language="mandarin", groups=(), **ref):
    database = {"name": "", "language": language, "phoneset": "xsampa"}
    main = {"groupID": "m", "blickOffset": 0, "pitchOffset": 0, "database": database, **ref}
    mixer = {"gainDecibel": 0.0, "mute": False}
    group = {"name": "main", "uuid": "m", "notes": notes}
    return {
        **{"name": name, "mixer": mixer, "mainGroup": group},
        **{"mainRef": main, "groups": list(groups)},
    }


LEAD = [note(0, 1, 60, "ni"), note(1, 1, 62, "-"), note(3, 1, 64, "好")]
PROJECT = {
    "version": 113,
    "time": {
        "meter": [{"index": 0, "numerator": 4, "denominator": 4}],
        "tempo": [{"position": 0, "bpm": 120}, {"position": BEAT, "bpm": 60.0}],
    },
    "library": [{"name": "g", "uuid": "g1", "notes": [note(0, 1, 60, "wo")]}],
    "tracks": [track("lead", LEAD), track("choir", [note(1, 1, 70, "ai")])],
}


def write(path, project=PROJECT):
    path.write_text(json.dumps(project) + "\0", encoding="utf-8")
    return path


def changed(change):
    project = copy.deepcopy(PROJECT)
    change(project)
    return project


def rows(score):
    return [(round(n.start_sec, 3), round(n.end_sec, 3), n.midi, n.lyric) for n in score.notes]


def test_as_the_program_writes_it(tmp_path, caplog):
    score = read_score(write(tmp_path / "a.svp"))
    assert rows(score) == [
        *[(0, 0.5, 60, "ni"), (0.5, 1.5, 62, "—"), (1.5, 2.5, 0, ""), (2.5, 3.5, 64, "好")]
    ]
    assert score.notes[1].slur and score.notes[1].phones == ("i",)
    assert score.tempo == 120 and score.language == "zh"
    assert "1 of 2 tracks is read: lead" in caplog.text


def test_part(tmp_path):
    path = write(tmp_path / "a.svp")
    assert rows(read_score(path, part="choir")) == rows(read_score(path, part=2))
    assert rows(read_score(path, part=2)) == [(0, 0.5, 0, ""), (0.5, 1.5, 70, "ai")]
    assert read_score(path, part=2).tempo == 60
    with pytest.raises(UserError, match="part: no part 'bass' .expected 1 .lead., 2 .choir."):
        read_score(path, part="bass")


def test_a_muted_track_is_not_the_default(tmp_path):
    project = changed(lambda p: p["tracks"][0]["mixer"].update(mute=True))
    assert read_score(write(tmp_path / "a.svp", project)).notes[-1].lyric == "ai"


def test_groups_stand_where_references_put_them(tmp_path):
    ref = {"groupID": "g1", "blickOffset": 4 * BEAT, "pitchOffset": 2, "mute": False}
    muted = {**ref, "mute": True, "blickOffset": 6 * BEAT}
    project = changed(lambda p: p["tracks"][0].update(groups=[ref, muted]))
    score = read_score(write(tmp_path / "a.svp", project))
    assert rows(score)[-1] == (3.5, 4.5, 62, "wo")
    lost = changed(lambda p: p["tracks"][0].update(groups=[{**ref, "groupID": "x"}]))
    with pytest.raises(UserError, match="track lead, group 1: groupID: no group 'x'"):
        read_svp(write(tmp_path / "b.svp", lost))


def test_breath_and_language(tmp_path):
    notes = [note(0, 1, 60, "br"), note(1, 1, 62, "ka"), note(2, 1, 62, "か")]
    path = write(tmp_path / "a.svp", {**PROJECT, "tracks": [track("a", notes[:2], "japanese")]})
    score = read_score(path)
    assert score.language == "ja" and [n.phones for n in score.notes] == [("AP",), ("k", "a")]
    assert score.tempo == 60
    assert read_score(path, language="zh").language == "zh"
    path = write(tmp_path / "b.svp", {**PROJECT, "tracks": [track("a", notes, "mandarin")]})
    assert read_score(path).language == "ja"  # kana are Japanese, whatever the voice
    path = write(tmp_path / "c.svp", {**PROJECT, "tracks": [track("a", notes[1:2], "")]})
    assert read_score(path, default_language="ja").language == "ja"
    path = write(tmp_path / "d.svp", {**PROJECT, "tracks": [track("a", notes[1:2], "korean")]})
    with pytest.raises(UserError, match="language: lyrics in 'ko'"):
        read_score(path)


def test_rap_is_named(tmp_path, caplog):
    project = changed(lambda p: p["tracks"][0]["mainGroup"]["notes"][0].update(musicalType="rap"))
    read_score(write(tmp_path / "a.svp", project))
    assert "1 spoken notes" in caplog.text


def note_with(**values):
    return lambda p: p["tracks"][0]["mainGroup"]["notes"][1].update(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (note_with(onset="x"), "track lead, note 2: onset: 'x'"),
        (note_with(onset=-1), "note 2: onset: starts 1 blicks before the song"),
        (note_with(onset=10), "note 2: starts at tick 10, before 705600000"),
        (note_with(duration=0), "note 2: duration: 0"),
        (note_with(duration=10**400), "note 2: duration: 1000"),
        (note_with(pitch=None), "note 2: pitch: missing"),
        (note_with(pitch=True), "note 2: pitch: True"),
        (note_with(lyrics=""), "note 2: lyrics: ''"),
        (note_with(lyrics="xyz"), "note 2: no phones for the syllable 'xyz'"),
        (lambda p: p["time"]["tempo"][1].update(bpm=0), "tempo 2: bpm: 0"),
        (lambda p: p.update(time=[]), "time: .*an object"),
        (lambda p: p.update(tracks=3), "tracks: 3"),
        (lambda p: p.update(tracks=[]), "no notes"),
        (lambda p: p.pop("tracks"), "tracks: no tracks"),
    ],
)
def test_mistakes(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        read_svp(write(tmp_path / "a.svp", changed(change)))


@pytest.mark.parametrize("data", [b"", b"[]", b"3", b"\xff\xfe", b"{", b"\0", b"[" * 100_000])
def test_garbage(tmp_path, data):
    path = tmp_path / "a.svp"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"a\.svp"):
        read_svp(path)
