import copy
import json
import zipfile

import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.read import read_score
from espnet2_ext.score.formats.vpr import read_vpr


def note(pos, duration, number, lyric, phoneme="", lang=0):
    more = {"velocity": 64, "isProtected": False, "langID": lang}
    return {
        **{"lyric": lyric, "phoneme": phoneme, "pos": pos, "duration": duration},
        **{"number": number, **more},
    }


LEAD = [
    note(0, 480, 60, "か", "k a"),
    note(480, 480, 62, "ー", "-"),
    note(1440, 240, 64, "br1", "Asp"),
    note(1680, 240, 64, "さ", "s a"),
]
PROJECT = {
    "version": {"major": 5, "minor": 0, "revision": 0},
    "vender": "Yamaha Corporation",
    "title": "song",
    "masterTrack": {
        "samplingRate": 44100,
        "tempo": {
            "isFolded": False,
            "global": {"isEnabled": False, "value": 24000},
            "events": [{"pos": 0, "value": 12000}, {"pos": 960, "value": 6000}],
        },
        "timeSig": {"isFolded": False, "events": [{"bar": 0, "numer": 4, "denom": 4}]},
    },
    "voices": [],
    "tracks": [
        {"type": 1, "name": "drums", "parts": [{"pos": 0, "wav": {"name": "a.wav"}}]},
        {
            **{"type": 0, "name": "lead", "isMuted": False},
            "parts": [{"pos": 480, "duration": 1920, "notes": LEAD}],
        },
        {"type": 0, "name": "choir", "parts": [{"pos": 0, "notes": [note(0, 480, 70, "え")]}]},
    ],
}


def write(path, project=PROJECT, member="Project/sequence.json"):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, json.dumps(project, ensure_ascii=False))
    return path


def changed(change):
    project = copy.deepcopy(PROJECT)
    change(project)
    return project


def rows(score):
    return [
        (round(n.start_sec, 3), round(n.end_sec, 3), n.midi, n.lyric or n.phones[0])
        for n in score.notes
    ]


def test_as_the_program_writes_it(tmp_path, caplog):
    score = read_score(write(tmp_path / "a.vpr"))
    assert rows(score) == [
        *[(0, 0.5, 0, "SP"), (0.5, 1, 60, "か"), (1, 2, 62, "—"), (2, 3, 0, "SP")],
        *[(3, 3.5, 0, "AP"), (3.5, 4, 64, "さ")],
    ]
    assert score.notes[2].slur and score.language == "ja" and score.tempo == 120
    assert "1 of 2 tracks is read: lead" in caplog.text


def test_part(tmp_path):
    path = write(tmp_path / "a.vpr")
    assert rows(read_score(path, part="choir")) == [(0, 0.5, 70, "え")]
    assert read_score(path, part=2) == read_score(path, part="choir")
    with pytest.raises(UserError, match="part: no part 'drums' .expected 1 .lead., 2 .choir."):
        read_score(path, part="drums")
    muted = changed(lambda p: p["tracks"][1].update(isMuted=True))
    assert rows(read_score(write(tmp_path / "b.vpr", muted))) == [(0, 0.5, 70, "え")]


def test_global_tempo(tmp_path):
    steady = changed(lambda p: p["masterTrack"]["tempo"]["global"].update(isEnabled=True))
    score = read_score(write(tmp_path / "a.vpr", steady))
    assert score.tempo == 240 and score.notes[-1].end_sec == pytest.approx(1.25)


def test_languages(tmp_path):
    def sung(lyric, lang):
        notes = [note(0, 480, 60, lyric, lang=lang)]
        return changed(lambda p: p["tracks"][1]["parts"][0].update(notes=notes))

    path = write(tmp_path / "a.vpr", sung("ni", 4))
    assert read_score(path, default_language="ja").language == "zh"
    # 0 is what converters write, whatever the lyrics.
    path = write(tmp_path / "b.vpr", sung("ni", 0))
    assert read_score(path).language == "zh"
    assert read_score(path, language="ja").language == "ja"
    with pytest.raises(UserError, match="lyrics in 'es'"):
        read_score(write(tmp_path / "c.vpr", sung("si", 3)))


def note_with(**values):
    return lambda p: p["tracks"][1]["parts"][0]["notes"][1].update(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (note_with(pos="x"), "track lead, part 1, note 2: pos: 'x'"),
        (note_with(pos=-500), "note 2: starts 20 ticks before the song"),
        (note_with(pos=10), "note 2: starts at tick 490, before 960"),
        (note_with(duration=0), "note 2: duration: 0"),
        (note_with(number=128), "note 2: number: 128"),
        (note_with(lyric=None), "note 2: lyric: missing"),
        (note_with(lyric="漢"), "note 2: '漢' in Japanese"),
        (lambda p: p["masterTrack"]["tempo"]["events"][1].update(value=0), "value: 0"),
        (lambda p: p["masterTrack"]["tempo"]["events"][1].update(pos=None), "tempo 2: pos"),
        (lambda p: p.update(tracks=3), "tracks: 3"),
        (lambda p: p.update(tracks=[]), "no notes"),
        (lambda p: p.pop("tracks"), "sequence.json: tracks: no tracks"),
    ],
)
def test_mistakes(tmp_path, change, message):
    with pytest.raises(UserError, match=message):
        read_vpr(write(tmp_path / "a.vpr", changed(change)))


def test_garbage(tmp_path):
    whole = write(tmp_path / "a.vpr").read_bytes()
    for data in (b"", b"{}", whole[:100], whole[:-20], b"\0" * 100):
        (tmp_path / "b.vpr").write_bytes(data)
        with pytest.raises(UserError, match=r"b\.vpr"):
            read_vpr(tmp_path / "b.vpr")
    with pytest.raises(UserError, match="no member 'Project/sequence.json'"):
        read_vpr(write(tmp_path / "c.vpr", member="x.json"))
    with zipfile.ZipFile(tmp_path / "d.vpr", "w") as archive:
        archive.writestr("Project/sequence.json", b"\xff\xfe{")
    with pytest.raises(UserError, match="not UTF-8"):
        read_vpr(tmp_path / "d.vpr")
