import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.praat import Interval, read_textgrid_tiers, write_textgrid_tiers
from espnet2_ext.score.formats.read import read_score
from espnet2_ext.score.formats.textgrid import read_textgrid

WORDS = [Interval(0, 0.4, ""), Interval(0.4, 1, "shi"), Interval(1, 1.3, "—")]
WORDS += [Interval(1.3, 2, "AP")]
NOTES = [Interval(0, 0.5, "rest"), Interval(0.5, 1, "C#4/Db4"), Interval(1, 1.5, "D4")]
NOTES += [Interval(1.5, 2, "rest")]
PHONES = [Interval(0, 0.4, ""), Interval(0.4, 0.5, "sh"), Interval(0.5, 1, "ir")]
PHONES += [Interval(1, 1.3, "i"), Interval(1.3, 2, "AP")]
TIERS = [("phones", PHONES), ("words", WORDS), ("notes", NOTES)]
SHORT = '''File type = "ooTextFile"
Object class = "TextGrid"

0
2.5
<exists>
2
"IntervalTier"
"singer - words"
0
2.5
2
0
1 ! a comment with a 5 in it
"say ""shi"""
1
2.5
""
"TextTier"
"beats"
0
2.5
1
0.5
"beat"
'''


def write(path, tiers=TIERS):
    write_textgrid_tiers(path, tiers)
    return path


def test_short_format_and_points(tmp_path):
    path = tmp_path / "a.TextGrid"
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        path.write_bytes(SHORT.replace("\n", "\r\n").encode(encoding))
        tiers = {"singer - words": [Interval(0, 1, 'say "shi"'), Interval(1, 2.5, "")]}
        assert read_textgrid_tiers(path) == tiers


def test_short_format_as_older_praats_head_it(tmp_path):
    path = tmp_path / "a.TextGrid"
    old = SHORT.replace("ooTextFile", "ooTextFile short").replace("Object class = ", "")
    path.write_text(old, encoding="utf-8")
    (tmp_path / "b.TextGrid").write_text(SHORT, encoding="utf-8")
    assert read_textgrid_tiers(path) == read_textgrid_tiers(tmp_path / "b.TextGrid")


@pytest.mark.parametrize("name", ["SP", "<SP>", "sil", "pau", "<sil>", "sp", "EP"])
def test_names_of_silence(tmp_path, name):
    tiers = [
        (tier, [Interval(i.start_sec, i.end_sec, i.text or name) for i in intervals])
        for tier, intervals in TIERS
    ]
    plain = read_textgrid(write(tmp_path / "b.TextGrid"))
    assert read_textgrid(write(tmp_path / "a.TextGrid", tiers)) == plain


def test_long_format_round_trip(tmp_path):
    tiers = [("a", [Interval(0.5, 1, 'x "y" 7'), Interval(1.25, 2, "音")]), ("b", [])]
    read = read_textgrid_tiers(write(tmp_path / "a.TextGrid", tiers))
    assert [i for i in read["a"] if i.text] == tiers[0][1]
    assert [i.start_sec for i in read["a"]] == [0, 0.5, 1, 1.25]
    assert read["b"] == [Interval(0, 2, "")]


def test_notes_in_a_tier(tmp_path):
    score = read_score(write(tmp_path / "a.TextGrid"))
    assert [(n.start_sec, n.midi, n.lyric, n.slur) for n in score.notes] == [
        *[(0, 0, "", False), (0.5, 61, "shi", False)],
        *[(1, 62, "—", True), (1.5, 0, "", False)],
    ]
    assert [(p.start_sec, p.phone, p.note) for p in score.phones] == [
        *[(0, "SP", 0), (0.4, "sh", 1), (0.5, "i", 1)],
        *[(1, "i", 2), (1.3, "AP", 3)],
    ]
    names = {"phones": "音素", "words": "音节", "notes": "音高"}
    renamed = [(names[name], tier) for name, tier in TIERS]
    assert read_score(write(tmp_path / "b.TextGrid", renamed)) == score
    bare = read_score(write(tmp_path / "c.TextGrid", TIERS[1:]))
    assert bare.notes == score.notes and not bare.phones


def test_whole_finals_become_opencpops(tmp_path):
    phones = [PHONES[0], Interval(0.4, 1, "uei"), Interval(1, 1.3, "uei"), PHONES[-1]]
    words = [WORDS[0], Interval(0.4, 1, "为"), *WORDS[2:]]
    tiers = [("phones", phones), ("words", words), ("notes", NOTES)]
    score = read_textgrid(write(tmp_path / "a.TextGrid", tiers))
    assert [n.phones for n in score.notes] == [("SP",), ("w", "ei"), ("ei",), ("AP",)]


def change(tier, index, text):
    return [
        (n, [Interval(i.start_sec, i.end_sec, text) if k == index else i for k, i in enumerate(t)])
        if n == tier
        else (n, t)
        for n, t in TIERS
    ]


@pytest.mark.parametrize(
    ("tiers", "message"),
    [
        (TIERS[:1], "tiers: tiers phones .expected one of words"),
        (TIERS[:2], "tiers: no notes .expected one of notes.*or a.mid beside"),
        ([*TIERS[:2], ("notes", NOTES[:2])], "notes: 3 intervals .expected 4"),
        (change("notes", 1, "H4"), r"word 2 .shi.: notes: 'H4'"),
        (change("notes", 1, "200"), r"word 2 .shi.: notes"),
        (change("notes", 1, "rest"), "word 2 .shi.: notes: note 'rest'"),
        (change("phones", 1, "qq"), "word 2 .shi.: phones: phone 'qq'"),
        (change("phones", 1, "AP"), "word 2 .shi.: phones: phone 'AP'"),
        (change("phones", 3, ""), "word 3 .*no phones"),
        (change("words", 1, "—"), "slur|without"),
    ],
)
def test_mistakes(tmp_path, tiers, message):
    with pytest.raises(UserError, match=message):
        read_textgrid(write(tmp_path / "a.TextGrid", tiers))


def test_every_truncation_is_named(tmp_path):
    path = write(tmp_path / "a.TextGrid")
    text = path.read_text(encoding="utf-8")
    for size in range(0, len(text.rstrip()), 7):
        path.write_text(text[:size], encoding="utf-8")
        with pytest.raises(UserError, match=r"a\.TextGrid(:\d+)?: "):
            read_textgrid_tiers(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("xmax = 0.4", "xmax = nan", r"a.TextGrid:\d+: phones: xmax: "),
        ("xmax = 0.400000", "xmax = 99999999", "phones: xmax: 99999999"),
        ("xmin = 0.4", "xmin = -0.4", "phones: xmin: -0.4"),
        ("xmin = 0.4", "xmin = 0.1", "phones: xmin: 0.1"),
        ("<exists>", "<absent>", "tiers.: <absent>"),
        ("size = 3", "size = 999999", "class: the file ends"),
        ("size = 3", "size = -1", "size: -1"),
        ('"IntervalTier"', '"PitchTier"', "class: 'PitchTier'"),
        ('name = "words"', 'name = "phones"', "two tiers 'phones'"),
        ('"TextGrid"', '"Pitch 1"', "Object class: 'Pitch 1'"),
        ('"sh"', '"sh', "phones|words"),
    ],
)
def test_broken_files(tmp_path, old, new, message):
    path = write(tmp_path / "a.TextGrid")
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_textgrid_tiers(path)


@pytest.mark.parametrize("data", [b"", b"\xff\xfea", b"\xff\x00", b"ooTextFile", b'"' * 10**6])
def test_garbage(tmp_path, data):
    path = tmp_path / "a.TextGrid"
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"a\.TextGrid"):
        read_textgrid(path)


def midi(path, *notes):
    """A MIDI file of (start, end, midi) in seconds, without lyrics."""
    import mido

    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=500_000)])
    now = 0
    for start, end, note in notes:
        ticks = round(start * 960), round(end * 960)
        track.append(mido.Message("note_on", note=note, velocity=80, time=ticks[0] - now))
        track.append(mido.Message("note_off", note=note, time=ticks[1] - ticks[0]))
        now = ticks[1]
    mido.MidiFile(ticks_per_beat=480, tracks=[track]).save(path)


def cut(*ends_and_texts):
    times = [0, *(end for end, _ in ends_and_texts)]
    return [Interval(a, *rest) for a, rest in zip(times, ends_and_texts, strict=False)]


def test_notes_in_a_midi_file(tmp_path):
    words = cut((0.4, ""), (1.3, "为"), (1.32, ""), (1.8, "<AP>"), (2.5, "你"), (3, "<SP>"))
    phones = cut(*[(0.4, ""), (1.3, "uei"), (1.32, ""), (1.8, "<AP>"), (1.9, "n"), (2.5, "i")])
    path = write(tmp_path / "a.TextGrid", [("singer - words", words), ("singer - phones", phones)])
    midi(tmp_path / "a.mid", (0.5, 0.95, 60), (1, 1.5, 62), (2, 2.4, 64))
    score = read_textgrid(path)
    assert [(round(n.start_sec, 3), n.midi, n.lyric, " ".join(n.phones)) for n in score.notes] == [
        *[(0, 0, "", "SP"), (0.5, 60, "为", "w ei"), (1, 62, "—", "ei")],
        *[(1.5, 0, "", "AP"), (2, 64, "你", "n i"), (2.4, 0, "", "SP")],
    ]
    assert [(round(p.start_sec, 3), p.phone, p.note) for p in score.phones] == [
        *[(0, "SP", 0), (0.4, "w", 1), (0.46, "ei", 1), (1, "ei", 2), (1.32, "AP", 3)],
        *[(1.8, "n", 4), (1.9, "i", 4), (2.5, "SP", 5)],
    ]
    assert score.tempo == 120 and score.duration_sec == 3
    bare = read_score(write(path, [("words", words)]), part=1)
    assert bare.notes == score.notes and not bare.phones


def test_rests_for_which_the_melody_has_no_time(tmp_path):
    words = cut((0.2, "AP"), (1, "ni"), (1.2, "AP"), (2, "hao"))
    path = write(tmp_path / "a.TextGrid", [("words", words)])
    midi(tmp_path / "a.mid", (0, 1.25, 60), (1.25, 2, 62))
    score = read_textgrid(path)
    assert [(n.start_sec, n.phones) for n in score.notes] == [
        *[(0, ("AP",)), (0.2, ("n", "i")), (1, ("AP",)), (1.25, ("h", "ao"))]
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (cut((1, "ni")), r"a.mid: note 2 .tick 960.*no word is sung"),
        (cut((1, "ni"), (1.5, "hao"), (2, "ma")), r"word 3 .ma.: from 1.500.*there is no note"),
        (cut((2, "")), "words: no words"),
    ],
)
def test_words_and_notes_that_do_not_fit(tmp_path, words, message):
    path = write(tmp_path / "a.TextGrid", [("words", words)])
    midi(tmp_path / "a.mid", (0, 0.9, 60), (1, 2.5, 62))
    with pytest.raises(UserError, match=message):
        read_textgrid(path)
