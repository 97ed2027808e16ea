import random
import re
import zipfile

import numpy as np
import pytest
import soundfile

from espnet2_ext.bin import lint as lint_bin
from espnet2_ext.lint import lint, lint_data_dir
from espnet2_ext.score.formats.espnet_format import Entry, write_data_dir
from espnet2_ext.score.formats.json_format import write_json_score
from espnet2_ext.score.formats.midi import write_midi
from espnet2_ext.score.formats.opencpop import format_line, parse_line
from espnet2_ext.score.phones import is_final

FS = 8000
LINES = [
    "u1|啊|AP a|rest G3|0.25 1|0.25 1|0 0",
    "u2|我|SP w o o|rest C4 C4 D4|0.5 1 1 .5|0.4 0.15 0.95 .5|0 0 0 1",
    "u3|我|w o|C4 C4|1 1|0.2 0.8|0 0",
]
XML = (
    "<score-partwise><part-list/><part id='P'><measure number='1'>"
    "<attributes><divisions>1</divisions></attributes><note><pitch><step>C</step>"
    "<octave>4</octave></pitch><duration>1</duration><lyric><text>wo</text></lyric></note>"
    "</measure></part></score-partwise>"
)


def tone(path, seconds, fs=FS):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * np.sin(np.arange(round(seconds * fs)) * 0.3), fs)


def sing(path, score, fs=FS):
    """A tone at each note's pitch, in its finals."""
    times = np.arange(round(score.duration_sec * fs)) / fs
    wav = np.zeros(len(times))
    for phone in score.phones:
        midi = score.notes[phone.note].midi
        if midi and is_final(phone.phone):
            within = (times >= phone.start_sec) & (times < phone.end_sec)
            phase = 2 * np.pi * 440 * 2 ** ((midi - 69) / 12) * times[within]
            wav[within] = 0.2 * np.sin(phase) + 0.1 * np.sin(2 * phase)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wav, fs)


@pytest.fixture
def data(tmp_path):
    entries = []
    for utt, score in (parse_line(line, "t") for line in LINES):
        sing(tmp_path / "wavs" / f"{utt}.wav", score)
        entries.append(Entry(utt, str(tmp_path / "wavs" / f"{utt}.wav"), "anna", score))
    write_data_dir(tmp_path / "data", entries)
    return tmp_path / "data"


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_all_is_well(data):
    assert lint(data) == [] == lint(data, FS)


def test_speech_needs_no_label(data, tmp_path):
    wav = str(tmp_path / "wavs" / "u1.wav")
    write_data_dir(tmp_path / "speech", [Entry("s", wav, "anna", text="ni hao")])
    assert lint(tmp_path / "speech") == []


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("wav.scp", "u2.wav", "none.wav", "wav.scp: u2: .*none.wav: no such file"),
        ("wav.scp", "u3 ", "u2 ", "wav.scp:3: duplicate id 'u2'"),
        ("wav.scp", "u1 ", "u9 ", "'u2' after 'u9'"),
        ("utt2spk", "u2 anna\n", "", "utt2spk: no line for 'u2'"),
        ("utt2spk", "u2 anna", "u2", "utt2spk:2: 'u2' without a value"),
        ("text", "u2", "x2", "text: 'x2' has no audio"),
        ("text", " w ", " ", "text: u2: 3 phones .expected the 4 of label"),
        ("spk2utt", "u2", "u4", "spk2utt: 'u4' of 'anna' differs"),
        ("label", " w ", " qq ", "label: u2: 2: unknown phone 'qq'"),
        ("label", "0.400000", "0.300000", "u2.json: phone 1: .*after a gap"),
        ("label", "0.400000", "0.500000", "u2.json: phone 1: .*before the previous"),
        ("label", "2.000000 o\n", "9.000000 o\n", "label: u2: label ends at 9.000 s, audio at 2"),
        ("label", "u2 0.0", "u2 -1.0", "u2.json: phone 0: starts at -1.000 s, before 0"),
        ("score/u2.json", "60", "160", "u2.json: note 1: midi 160"),
        ("score/u2.json", '"w_o"', '"w"', "u2.json: label: 4 phones; phone 3"),
    ],
)
def test_findings_of_a_data_dir(data, name, old, new, expected):
    edit(data / name, old, new)
    text = "\n".join(map(str, lint(data)))
    assert re.search(expected, text), text


def test_missing_tables(data):
    (data / "utt2spk").unlink()
    (data / "label").unlink()
    (data / "text").write_bytes(b"u1 \xff\n")
    text = "\n".join(map(str, lint(data)))
    for expected in ("no utt2spk", "no label", "text:1: bytes that are not UTF-8"):
        assert expected in text


def test_findings_of_audio(data, tmp_path):
    wavs = tmp_path / "wavs"
    soundfile.write(wavs / "u1.wav", np.zeros(FS * 2), FS)
    soundfile.write(wavs / "u2.wav", np.full(FS * 2, np.nan), FS, subtype="FLOAT")
    tone(wavs / "u3.wav", 1, fs=16000)
    text = "\n".join(map(str, lint(data)))
    for expected in ("u1.wav: silence", "u2.wav: .*not finite", "u3.wav: 16000 Hz"):
        assert re.search(expected, text), text
    soundfile.write(wavs / "u1.wav", np.zeros(0), FS)
    (wavs / "u2.wav").write_bytes(b"RIFF garbage")
    tone(wavs / "u3.wav", 4)
    text = "\n".join(map(str, lint(data)))
    for expected in ("u1.wav: no samples", "u2.wav: not readable", "audio goes on to 4.000 s"):
        assert expected in text, text
    assert not any("goes on" in str(f) for f in lint_data_dir(data, max_long_sec=None))


def test_segments(data, tmp_path):
    parts = [soundfile.read(tmp_path / "wavs" / f"u{n}.wav")[0] for n in (1, 2, 3)]
    soundfile.write(tmp_path / "wavs" / "song.wav", np.concatenate([*parts, np.zeros(6000)]), FS)
    (data / "wav.scp").write_text(f"song {tmp_path}/wavs/song.wav\n")
    (data / "segments").write_text("u1 song 0 1.25\nu2 song 1.25 3.25\nu3 song 3.25 4.25\n")
    assert lint(data) == []
    edit(data / "segments", "4.25", "7.25")
    assert "segments: u3: end 7.25 s of audio of 5.000 s" in str(lint(data)[0])


def test_opencpop_lines_and_their_wavs(data, tmp_path):
    path = tmp_path / "transcriptions.txt"
    scores = dict(parse_line(line, "t") for line in LINES)
    lines = [format_line(utt, score) for utt, score in scores.items()]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert lint(path) == []
    lines[0] = lines[0].replace("AP", "XX")
    lines[1] = lines[1].replace("0.950000", "9.950000")
    path.write_text("\n".join([*lines, lines[2]]), encoding="utf-8")
    found = list(map(str, lint(path)))
    assert len(found) == 3, found
    assert "transcriptions.txt:4: id: duplicate id 'u3'" in found[0]
    assert "transcriptions.txt:1: phones: item 1: unknown phone 'XX'" in found[1]
    assert "transcriptions.txt:2: label ends at 11.000 s" in found[2]


def test_exit_status_and_one_line_each(data, capsys, tmp_path):
    for paths, status in [((data,), 0), ((data, tmp_path / "none.xml", tmp_path / "x.ust"), 2)]:
        with pytest.raises(SystemExit) as exit_status:
            lint_bin.main([str(path) for path in paths])
        assert exit_status.value.code == status
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 2 and "none.xml: no such file" in lines[0]


@pytest.fixture
def files(tmp_path):
    score = parse_line(LINES[1], "t")[1]
    write_midi(tmp_path / "a.mid", score)
    write_json_score(tmp_path / "a.json", score)
    (tmp_path / "a.musicxml").write_text(XML)
    (tmp_path / "a.txt").write_text(LINES[1] + "\n", encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "a.mxl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/container.xml", '<a><rootfile full-path="s.xml"/></a>')
        archive.writestr("s.xml", XML)
    return [tmp_path / f"a.{suffix}" for suffix in ("mid", "json", "musicxml", "txt", "mxl")]


def test_good_files(files):
    for path in files:
        assert lint(path) == []


def test_the_language_of_a_score(tmp_path, capsys):
    path = tmp_path / "a.ust"
    path.write_text("[#SETTING]\nTempo=120\n[#0000]\nLength=480\nLyric=か\nNoteNum=60\n", "utf-8")
    for options, status, shown in ((), 2, "or --lang ja"), (("--lang", "ja"), 0, ""):
        with pytest.raises(SystemExit) as exit_status:
            lint_bin.main([str(path), *options])
        assert exit_status.value.code == status
        assert shown in capsys.readouterr().out


def test_phones_of_json(tmp_path):
    path = tmp_path / "a.json"
    write_json_score(path, parse_line(LINES[1], "t")[1])
    path.write_text(path.read_text(encoding="utf-8").replace('"w",', '"qq",', 1), encoding="utf-8")
    assert [str(finding).removeprefix(f"{path}: ") for finding in lint(path)] == [
        "note 1: phones: unknown phone 'qq' (expected a Mandarin phone)",
        "note 1: phones: performed as 'w o' (expected qq o)",
    ]


def test_no_garbage_makes_a_traceback(files):
    rng = random.Random(0)
    for path in files:
        data = path.read_bytes()
        for _ in range(150):
            broken = bytearray(data[: rng.randrange(len(data) + 1)] if rng.random() < 0.3 else data)
            for _ in range(rng.choice([0, 1, 1, 3, 20])):
                if broken:
                    broken[rng.randrange(len(broken))] = rng.randrange(256)
            path.write_bytes(bytes(broken))
            lint(path)


def test_no_garbage_in_a_data_dir_makes_a_traceback(data):
    rng = random.Random(1)
    names = ["wav.scp", "utt2spk", "text", "label", "score.scp", "spk2utt", "score/u2.json"]
    for name in [*names, "../wavs/u1.wav"]:
        path = data / name
        whole = path.read_bytes()
        for _ in range(25):
            size = rng.randrange(len(whole) + 1) if rng.random() < 0.3 else len(whole)
            broken = bytearray(whole[:size])
            for _ in range(rng.choice([1, 5])):
                if broken:
                    broken[rng.randrange(min(len(broken), 200))] = rng.randrange(256)
            path.write_bytes(bytes(broken))
            lint(data)
        path.write_bytes(whole)
    assert lint(data) == []
