import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.read import read_score
from espnet2_ext.score.formats.ustx import read_ustx

# As OpenUtau lays a project out: plain scalars, lyrics unquoted but for those YAML would not allow.
USTX = """name: New Project
comment: ''
output_dir: Vocal
cache_dir: UCache
ustx_version: 0.6
resolution: 480
bpm: 120
beat_per_bar: 4
beat_unit: 4
expressions:
  vel:
    name: velocity
    abbr: vel
    type: Numerical
    min: 0
    max: 200
    default_value: 100
    is_flag: false
    flag: ''
time_signatures:
- bar_position: 0
  beat_per_bar: 4
  beat_unit: 4
tempos:
- position: 0
  bpm: 120
- position: 960
  bpm: 60
tracks:
- singer: someone
  phonemizer: OpenUtau.Core.DiffSinger.DiffSingerChinesePhonemizer
  track_name: Track1
  mute: false
- track_name: choir
voice_parts:
- duration: 1920
  name: empty
  track_no: 0
  position: 0
  notes: []
- duration: 1440
  name: lead
  comment: ''
  track_no: 0
  position: 480
  notes:
  - position: 0
    duration: 480
    tone: 62
    lyric: n{no}
    pitch:
      data:
      - x: -40
        y: 0
        shape: io
      snap_first: true
    vibrato: {{length: 0, period: 175, depth: 25, in: 10, out: 10, shift: 0, drift: 0}}
    phoneme_expressions: []
    phoneme_overrides: []
  - position: 480
    duration: 240
    tone: 64
    lyric: {slur}
  - position: 840
    duration: 240
    tone: 60
    lyric: hao[h ao]
  curves: []
- duration: 480
  name: second
  track_no: 1
  position: 0
  notes:
  - position: 0
    duration: 480
    tone: 72
    lyric: 爱
wave_parts: []
"""


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)
)


def write(path, text=USTX, no="i", slur="+"):
    text = text.replace("name: New Project\n", BOMB) if "*h" in text else text
    path.write_text(text.format(no=no, slur=slur), encoding="utf-8")
    return path


def rows(score):
    return [(round(n.start_sec, 3), round(n.end_sec, 3), n.midi, n.lyric) for n in score.notes]


@pytest.mark.parametrize("slur", ["+", "+~", "+*", "'-'", "ー"])
def test_as_openutau_writes_it(tmp_path, slur, caplog):
    score = read_score(write(tmp_path / "a.ustx", slur=slur))
    assert rows(score) == [
        *[(0, 0.5, 0, ""), (0.5, 1, 62, "ni"), (1, 1.5, 64, "—"), (1.5, 1.75, 0, "")],
        *[(1.75, 2.25, 60, "hao"), (2.25, 3, 0, "")],
    ]
    assert score.tempo == 120 and score.notes[2].phones == ("i",)
    assert (
        "1 of 2 parts are read, those of Track1" in caplog.text
        and "1 phonetic hints" in caplog.text
    )


@pytest.mark.parametrize(
    ("lyric", "phone"),
    [("R", "SP"), ("SP", "SP"), ("EP", "SP"), ("cl", "SP"), ("AP", "AP"), ("br", "AP")],
)
def test_rests_and_breaths_of_voicebanks(tmp_path, lyric, phone):
    score = read_ustx(write(tmp_path / "a.ustx", slur=lyric))
    assert score.notes[2].is_rest and score.notes[2].phones == (phone,)


def test_a_note_that_lasts_into_the_next_is_cut(tmp_path, caplog):
    text = USTX.replace("position: 840", "position: 660")
    text = text.replace("- position: 960\n  bpm: 60", "- position: 960\n  bpm: 120")
    score = read_ustx(write(tmp_path / "a.ustx", text))
    assert rows(score)[1:4] == [
        *[(0.5, 1, 62, "ni"), (1, 1.188, 64, "—"), (1.188, 1.438, 60, "hao")],
    ]
    assert "a.ustx: 1 notes last into the next, by up to 0.062 s: cut there" in caplog.text


@pytest.mark.parametrize(
    ("first", "second", "lyric"),
    [
        ("mute: false", "mute: false", "ni"),
        ("mute: true", "mute: false", "爱"),
        ("mute: true", "mute: true", "ni"),
        ("mute: false", "solo: true", "爱"),
        ("mute: true\n  solo: true", "mute: false", "ni"),
    ],
)
def test_a_track_that_is_heard(tmp_path, first, second, lyric, caplog):
    text = USTX.replace("mute: false", first)
    text = text.replace("track_name: choir", f"track_name: choir\n  {second}")
    score = read_ustx(write(tmp_path / "a.ustx", text))
    assert next(n.lyric for n in score.notes if not n.is_rest) == lyric
    assert f"those of {'choir' if lyric == '爱' else 'Track1'}" in caplog.text
    all_muted = first == second == "mute: true"
    assert ("no track with notes is heard, the muted Track1 is read" in caplog.text) == all_muted
    assert read_ustx(tmp_path / "a.ustx", part="Track1").notes[1].lyric == "ni"


@pytest.mark.parametrize(
    ("hint", "language", "phones"),
    [
        ("[sh ir]", "zh", "sh i"),
        ("[zh/n zh/i]", "zh", "n i"),
        ("[k a]", "ja", "k a"),
        ("[SP]", "zh", "SP"),
        ("[br]", "ja", "AP"),
    ],
)
def test_a_phonetic_hint_without_a_lyric(tmp_path, hint, language, phones):
    text = USTX.replace("hao[h ao]", f"'{hint}'")
    score = read_ustx(write(tmp_path / "a.ustx", text), language=language)
    assert " ".join(score.notes[4].phones) == phones


def test_part(tmp_path):
    path = write(tmp_path / "a.ustx")
    assert read_score(path, part="second") == read_score(path, part=2)
    assert read_score(path, part="choir") == read_score(path, part=2)
    assert read_score(path, part="Track1") == read_score(path, part="lead") == read_score(path)
    assert rows(read_score(path, part=2)) == [(0, 0.5, 72, "爱")]
    with pytest.raises(UserError, match="part: no part '3'.*1 .lead, Track1., 2 .second, choir."):
        read_score(path, part=3)


def test_parts_of_a_track_follow_each_other(tmp_path):
    text = USTX.replace("track_no: 1\n  position: 0", "track_no: 0\n  position: 1920")
    score = read_score(write(tmp_path / "a.ustx", text))
    assert [n.lyric for n in score.notes] == ["", "ni", "—", "", "hao", "", "爱"]
    assert read_score(tmp_path / "a.ustx", part=1).notes[:5] == score.notes[:5]
    overlap = text.replace("position: 1920", "position: 1200")
    with pytest.raises(UserError, match="part second, note 1: starts at tick 1200, before 1560"):
        read_ustx(write(tmp_path / "b.ustx", overlap))


def test_before_version_06_one_tempo(tmp_path):
    text = USTX.replace("tempos:\n- position: 0\n  bpm: 120\n- position: 960\n  bpm: 60\n", "")
    score = read_ustx(write(tmp_path / "a.ustx", text.replace("bpm: 120", "bpm: 240")))
    assert score.tempo == 240 and score.notes[1].start_sec == 0.25


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("bpm: 60", "bpm: .nan", "tempo 2: bpm: '.nan'"),
        ("bpm: 60", "bpm: 0", "tempo 2: bpm: '0'"),
        ("duration: 240\n    tone: 64", "duration: -1\n    tone: 64", "note 2: duration: '-1'"),
        ("tone: 64", "tone: 0", "part lead, note 2: tone: '0'"),
        ("    tone: 64\n", "", "note 2: tone: missing"),
        ("    lyric: {slur}\n", "", "note 2: lyric: missing"),
        ("lyric: {slur}", "lyric: xyz", "note 2: no phones for the syllable 'xyz'"),
        ("lyric: {slur}", "lyric: [a, b]", "note 2: lyric:"),
        ("position: 840", "position: 400", "note 3: starts at tick 880, before 1200"),
        (
            "position: 840\n    duration: 240",
            "position: 500\n    duration: 20",
            "note 3: starts at",
        ),
        ("hao[h ao]", "'[h q]'", "note 3: lyric: a phonetic hint alone, '.h q.'"),
        ("hao[h ao]", "'[]'", "note 3: lyric: a phonetic hint alone"),
        ("position: 840", "position: 99999999999999", "note 3: position"),
        ("resolution: 480", "resolution: 0", "resolution: '0'"),
        ("voice_parts:", "parts:", "voice_parts: no notes"),
        ("  notes: []", "  notes: 3", "notes: '3'"),
        ("tempos:", "tempos: {{", "a.ustx:2"),
        ("expressions:", "deep: " + "[" * 5000, "a.ustx:10: lists too deep"),
        ("tone: 64", "tone: *h", "note 2: tone: "),
        ("lyric: {slur}", "lyric: *h", "note 2: lyric: "),
        ("  notes: []", "  notes: *h", "notes: "),
    ],
)
def test_mistakes(tmp_path, old, new, message):
    assert old in USTX
    with pytest.raises(UserError, match=message):
        read_ustx(write(tmp_path / "a.ustx", USTX.replace(old, new)))


def test_aliases_are_references(tmp_path):
    text = USTX.replace("singer: someone", "singer: &s someone").replace("lyric: 爱", "lyric: *t")
    text = text.replace("name: lead", "name: &t ai")
    assert rows(read_score(write(tmp_path / "a.ustx", text), part=2))[0][3] == "ai"


@pytest.mark.parametrize("data", [b"", b"[]", b"3", b"\xff\xfe", b"a: b: c", b"%YAML 9", b"\x00"])
def test_garbage(tmp_path, data):
    path = tmp_path / "a.ustx"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"a\.ustx"):
        read_ustx(path)
