import struct

import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.juce_tree import parse_tree
from espnet2_ext.score.formats.read import read_score
from espnet2_ext.score.formats.tssln import read_tssln


def count(number):
    data = number.to_bytes(4, "little").rstrip(b"\0")
    return bytes([len(data)]) + data


def value(item):
    if isinstance(item, bool):
        data = bytes([2 if item else 3])
    elif isinstance(item, int):
        data = b"\1" + struct.pack("<i", item)
    elif isinstance(item, float):
        data = b"\4" + struct.pack("<d", item)
    elif isinstance(item, str):
        data = b"\5" + item.encode() + b"\0"
    else:
        data = b"\x08" + item
    return count(len(data)) + data


def tree(kind, values=(), *children):
    """A node as JUCE writes it to a stream."""
    values = dict(values)
    data = kind.encode() + b"\0" + count(len(values))
    data += b"".join(name.encode() + b"\0" + value(item) for name, item in values.items())
    return data + count(len(children)) + b"".join(children)


def note(clock, duration, step, octave, lyric, syllabic=0):
    times = {"Clock": clock, "Duration": duration, "PitchStep": step, "PitchOctave": octave}
    return tree("Note", {**times, "Lyric": lyric, "Syllabic": syllabic, "Phoneme": ""})


def song(*notes, language="ja_JP"):
    return tree(
        "StateInformation",
        {"VersionOfAppFileSaved": "1.9.2.0"},
        tree("VoiceInformation", {"CharacterName": "A", "Language": language}),
        tree(
            "Song",
            (),
            tree(
                "Tempo",
                (),
                tree("Sound", {"Clock": 0, "Tempo": 120.0}),
                tree("Sound", {"Clock": 4800, "Tempo": 60.0}),
            ),
            tree("Beat", (), tree("Time", {"Clock": 0, "Beats": 4, "BeatType": 4})),
            tree("Score", (), tree("Key", {"Clock": 0, "Fifths": 0, "Mode": 0}), *notes),
        ),
    )


def track(name, data, kind=0):
    values = {"Type": kind, "Name": name, "State": 0, "Volume": 0.0}
    return tree("Track", {**values, "PluginData": data})


LEAD = [
    *[note(3840, 960, 0, 4, "か"), note(4800, 960, 2, 4, "ー"), note(6720, 960, 4, 4, "さ[s,a]")]
]


def project(*tracks):
    tracks = tracks or (track("lead", song(*LEAD)), track("low", song(note(3840, 960, 0, 3, "と"))))
    audio = tree("Track", {"Type": 1, "Name": "drums"})
    return tree(
        "TSSolution",
        {"VersionOfAppFileSaved": "1.9.2.0"},
        tree("PlayControl", {"Loop": False, "PlayPosition": 9.5}),
        tree("Tracks", (), audio, *tracks),
    )


def write(path, data):
    path.write_bytes(data)
    return path


def rows(score):
    return [(round(n.start_sec, 3), round(n.end_sec, 3), n.midi, n.lyric) for n in score.notes]


def test_as_the_program_writes_it(tmp_path, caplog):
    score = read_score(write(tmp_path / "a.tssln", project()))
    assert rows(score) == [
        *[(0, 0.5, 60, "か"), (0.5, 1.5, 62, "—"), (1.5, 2.5, 0, ""), (2.5, 3.5, 64, "さ")]
    ]
    assert score.tempo == 120 and score.language == "ja"
    assert "1 of 2 tracks is read: lead" in caplog.text
    assert read_score(tmp_path / "a.tssln", part="low").notes[0].midi == 48


def test_a_project_of_the_plug_in(tmp_path):
    wrapped = b"VST3".ljust(48, b"\0") + song(*LEAD)
    path = write(tmp_path / "a.tssln", project(track("lead", wrapped)))
    assert [n.lyric for n in read_score(path).notes] == ["か", "—", "", "さ"]


def test_english_words(tmp_path):
    notes = [note(3840, 960, 0, 4, "hel", 1), note(4800, 960, 2, 4, "lo", 3)]
    path = write(tmp_path / "a.tssln", project(track("lead", song(*notes, language="en_US"))))
    score = read_score(path)
    assert score.language == "en" and [n.phones[0] for n in score.notes] == ["HH", "L"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tree("Preset"), "a tree of 'Preset' .expected a VoiSona song project: TSSolution"),
        (project(track("lead", b"")), "track 1 .lead.: PluginData: damaged"),
        (project(tree("Track", {"Type": 0})), "track 1: PluginData: None"),
        (project(track("lead", tree("X"))), "track 1 .lead.: PluginData: 'X' .expected"),
        (project(track("lead", song())), "no notes"),
        (
            project(track("a", song(note(3840, 960, 12, 4, "か")))),
            "track 1 .a., note 1: PitchStep: '12'",
        ),
        (project(track("a", song(note(3840, 960, 0, 4, "")))), "note 1: Lyric: ''"),
        (project()[:-10], "damaged .ends at byte"),
        (tree("A") * 3, "a tree of 'A'"),
        (b"A\0\x00\x01\x01" * 100, "damaged .byte [0-9]+: more than 64 nodes"),
        (b"A\0\x85", "a length of 133 bytes"),
        (b"A", "a text without an end"),
        (b"", "damaged|empty"),
        (b"\xff\0\0\0", "damaged"),
    ],
)
def test_mistakes(tmp_path, data, message):
    with pytest.raises(UserError, match=message):
        read_tssln(write(tmp_path / "a.tssln", data))


def test_every_kind_of_value():
    values = {"a": -3, "b": True, "c": False, "d": 0.5, "e": "か", "f": b"\0\1"}
    root = parse_tree(tree("A", values, tree("B"), tree("C", {"x": 1})), "t", "a tree")
    assert root.values == values and root.child("C").values == {"x": 1}
    assert root.child("Z").children == []
