from dataclasses import replace

import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.midi import read_midi, write_midi
from espnet2_ext.score.formats.read import read_score
from espnet2_ext.score.lyrics.languages import LANGUAGES

from ..strategies import LYRICS, scores


def build(path, events, tracks=1, tempo=500_000, charset="utf-8", **kwargs):
    """Write (track, delta, kind, value) events at 480 ticks a beat."""
    midi = mido.MidiFile(ticks_per_beat=480, charset=charset, **kwargs)
    midi.tracks.extend(mido.MidiTrack() for _ in range(tracks))
    midi.tracks[0].append(mido.MetaMessage("set_tempo", tempo=tempo))
    for track, delta, kind, value in events:
        if kind == "lyric":
            message = mido.MetaMessage("lyrics", text=value, time=delta)
        elif kind == "text":
            message = mido.MetaMessage("text", text=value, time=delta)
        elif kind == "tempo":
            message = mido.MetaMessage("set_tempo", tempo=value, time=delta)
        elif kind == "name":
            message = mido.MetaMessage("track_name", name=value, time=delta)
        else:
            message = mido.Message("note_" + kind, note=value, time=delta, velocity=64)
        midi.tracks[track].append(message)
    midi.save(path)
    return path


def note(lyric, midi, length=480, track=0, wait=0):
    words = [(track, wait, "lyric", lyric)] if lyric is not None else []
    return [*words, (track, 0 if words else wait, "on", midi), (track, length, "off", midi)]


def rows(score):
    return [
        (round(n.start_sec, 4), round(n.end_sec, 4), n.midi, n.lyric, n.phones) for n in score.notes
    ]


def test_lyrics_slurs_rests_and_tempo_change(tmp_path):
    events = note("wo3", 60, wait=480) + note("-", 62) + [(0, 0, "tempo", 1_000_000)]
    events += note("爱", 64, 460) + note("你", 65, 480, wait=20) + note("men5", 67, wait=480)
    score = read_midi(build(tmp_path / "a.mid", events))
    assert rows(score) == [
        (0, 0.5, 0, "", ("SP",)),
        (0.5, 1.0, 60, "wo3", ("w", "o")),
        (1.0, 1.5, 62, "—", ("o",)),
        (1.5, 2.5, 64, "爱", ("ai",)),  # released early: no rest
        (2.5, 3.5, 65, "你", ("n", "i")),
        (3.5, 4.5, 0, "", ("SP",)),
        (4.5, 5.5, 67, "men5", ("m", "en")),
    ]
    assert score.tempo == 120 and not score.phones and score.notes[2].slur


def test_hanzi_of_a_phrase_are_read_together(tmp_path):
    events = [e for char in "银行行走" for e in note(char, 60)]
    score = read_midi(build(tmp_path / "a.mid", events))
    assert [n.phones for n in score.notes][1:3] == [("h", "ang"), ("x", "ing")]


def test_parts_by_name_number_and_default(tmp_path):
    events = [(0, 0, "name", "piano"), (1, 0, "name", "voice"), *note(None, 40)]
    path = build(tmp_path / "a.mid", events + note("la", 60, track=1), tracks=2)
    assert read_midi(path).notes[0].midi == 60
    assert read_midi(path, part="2") == read_midi(path, part="voice") == read_midi(path)
    with pytest.raises(UserError, match="part: no part '3'.*1 .piano., 2 .voice."):
        read_midi(path, part="3")
    with pytest.raises(UserError, match="no lyric events in piano"):
        read_midi(path, part="piano")


def test_karaoke_words_in_a_track_of_their_own(tmp_path):
    events = note(None, 60) + note(None, 62) + [(1, 0, "lyric", "ni"), (1, 480, "lyric", "hao")]
    score = read_midi(build(tmp_path / "a.mid", events, tracks=2))
    assert [n.lyric for n in score.notes] == ["ni", "hao"]


def test_lyrics_beside_the_file(tmp_path):
    path = build(tmp_path / "a.mid", note(None, 60) + note(None, 62) + note(None, 64))
    score = read_midi(path, lyrics="你 - hao3")
    assert [(n.lyric, n.slur) for n in score.notes] == [("你", 0), ("—", 1), ("hao3", 0)]
    with pytest.raises(UserError, match="2 syllables of lyrics .expected 3"):
        read_midi(path, lyrics="你好")
    with pytest.raises(UserError, match="no lyric events"):
        read_midi(path)


def test_top_note_of_a_chord(tmp_path):
    events = [(0, 0, "lyric", "la"), (0, 0, "on", 60), (0, 0, "on", 67), (0, 0, "on", 64)]
    events += [(0, 480, "off", 60), (0, 0, "off", 67), (0, 0, "off", 64)]
    assert rows(read_midi(build(tmp_path / "a.mid", events))) == [(0, 0.5, 67, "la", ("l", "a"))]


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([], "no notes"),
        (note("xyz", 60), r"note 1 .tick 0.*'xyz'"),
        (note("-", 60), "without a lyric after a rest"),
        (note("wo", 60) + note(None, 60, wait=480), r"note 2 .tick 960.*without a lyric"),
        (note("wo men", 60), "2 syllables 'wo men' on one note"),
        ([*note("wo", 60), (0, 240, "lyric", "ai")], "lyric 'ai' at tick 720 without a note"),
        ([(0, 0, "lyric", "a"), (0, 0, "on", 60)], "never ends"),
        (
            [
                *[(0, 0, "lyric", "a"), (0, 0, "on", 60), (0, 240, "lyric", "la")],
                *[(0, 0, "on", 62), (0, 240, "off", 60), (0, 240, "off", 62)],
            ],
            "note 2 .*overlapping",
        ),
    ],
)
def test_mistakes(tmp_path, events, message):
    with pytest.raises(UserError, match=message):
        read_midi(build(tmp_path / "a.mid", events))


@pytest.mark.parametrize(
    ("charset", "lyric", "language"),
    [("gb18030", "我", "zh"), ("cp932", "か", "ja"), ("cp1252", "né", "en")],
)
def test_lyrics_in_a_code_page_of_their_language(tmp_path, charset, lyric, language):
    path = build(tmp_path / "a.mid", note(lyric, 60), charset=charset)
    score = read_midi(path, language=language)
    assert [n.lyric for n in score.notes] == [lyric]


def test_lyrics_in_no_known_encoding(tmp_path):
    path = build(tmp_path / "a.mid", note("\x81\xad", 60), charset="latin1")
    with pytest.raises(UserError, match="tick 0: a lyric that is not UTF-8 .*Shift-JIS"):
        read_midi(path, language="ja")


def test_shift_jis_kana_are_no_hanzi(tmp_path):
    path = build(tmp_path / "a.mid", note("さ", 60) + note("く", 62), charset="cp932")
    with pytest.raises(UserError, match="さ.*or --lang ja"):
        read_midi(path)


@pytest.mark.parametrize("charset", ["cp932", "latin1", "gb18030"])
def test_the_name_of_a_track_in_any_encoding(tmp_path, charset):
    name = {"cp932": "歌", "latin1": "chœur".replace("œ", "\xff"), "gb18030": "声"}[charset]
    raw = name.encode(charset).decode("latin1")
    path = build(
        tmp_path / "a.mid",
        [(0, 0, "name", raw), *note("我".encode().decode("latin1"), 60)],
        charset="latin1",
    )
    assert read_midi(path).notes[0].lyric == "我"
    if charset == "cp932":
        assert read_midi(path, part=name).notes[0].lyric == "我"


def texts(track, *items):
    return [(track, wait, "text", text) for wait, text in items]


def test_soft_karaoke(tmp_path):
    """Text events in a track of their own, and a melody that is not the first part."""
    words = [(0, "@KMIDI KARAOKE FILE"), (0, "@TTitle"), (0, "\\ni"), (480, "/hao "), (480, "ma")]
    events = [*texts(1, *words), (0, 0, "text", "a comment")]
    events += note(None, 40, 1920, track=0) + note(None, 60, track=2) + note(None, 62, track=2)
    events += note(None, 64, track=2)
    for name in ("a.mid", "a.kar"):
        score = read_score(build(tmp_path / name, events, tracks=3))
        assert [(n.lyric, n.midi) for n in score.notes] == [("ni", 60), ("hao", 62), ("ma", 64)]


def test_text_without_marks_is_no_lyrics(tmp_path):
    events = texts(0, (0, "ni")) + note(None, 60)
    with pytest.raises(UserError, match="no lyric events"):
        read_midi(build(tmp_path / "a.mid", events))


def test_the_channel_that_lyrics_are_sung_on(tmp_path):
    """A file of type 0 has all parts in one track."""
    track = mido.MidiTrack([mido.Message("note_on", note=30, channel=0)])
    for lyric, key in (("ni", 60), ("hao", 62)):
        track.append(mido.MetaMessage("lyrics", text=lyric))
        track.append(mido.Message("note_on", note=key, channel=2))
        track.append(mido.Message("note_off", note=key, channel=2, time=480))
    track.append(mido.Message("note_off", note=30, channel=0))
    mido.MidiFile(type=0, ticks_per_beat=480, tracks=[track]).save(tmp_path / "a.mid")
    assert [(n.lyric, n.midi) for n in read_midi(tmp_path / "a.mid").notes] == [
        *[("ni", 60), ("hao", 62)],
    ]


@pytest.mark.parametrize("wait", [0, 960])
def test_a_title_is_no_syllable(tmp_path, wait, caplog):
    events = [(0, 0, "lyric", "Song title"), *note("wo", 60, wait=960)]
    events += [(0, 1920 + wait, "lyric", "by me")]
    score = read_midi(build(tmp_path / "a.mid", events))
    assert [n.lyric for n in score.notes if not n.is_rest] == ["wo"]
    assert "2 lyrics before the first note or after the last are not sung" in caplog.text


@pytest.mark.parametrize(
    ("lyrics", "words"),
    [
        (("Hel", "lo ", "my ", "love."), ("hello", "my", "love")),
        (("Hel", "lo", " my", " love"), ("hello", "my", "love")),
        (("\\Hel", "lo", "/my", "/love"), ("hello", "my", "love")),
        (("Hel", "lo\r", "my\n", "love"), ("hello", "my", "love")),
        (("Hel-", "lo ", "my ", "love"), ("hello", "my", "love")),
        (("hello", "my", "love"), ("hello", "my", "love")),
        (("Oh,", "my ", "love"), ("oh", "my", "love")),
    ],
)
def test_spaces_end_english_words(tmp_path, lyrics, words):
    path = build(tmp_path / "a.mid", [e for lyric in lyrics for e in note(lyric, 60)])
    sung = [phone for n in read_midi(path, language="en").notes for phone in n.phones]
    read = LANGUAGES["en"].read(" ".join(words))
    assert sung == [phone for syllable in read for phone in syllable.phones]


def test_spaces_and_a_melisma(tmp_path):
    lyrics = ("Hel", "-", "lo ", "", "my ")
    path = build(tmp_path / "a.mid", [e for lyric in lyrics for e in note(lyric, 60)])
    notes = read_midi(path, language="en").notes
    assert [" ".join(n.phones) for n in notes] == ["HH AH", "AH", "L OW", "OW", "M AY"]


def test_legato_is_cut_at_the_next_note(tmp_path, caplog):
    events = [(0, 0, "lyric", "ni"), (0, 0, "on", 60), (0, 480, "lyric", "hao"), (0, 0, "on", 62)]
    events += [(0, 200, "off", 60), (0, 280, "off", 62)]
    score = read_midi(build(tmp_path / "a.mid", events))
    assert [r[:4] for r in rows(score)] == [(0, 0.5, 60, "ni"), (0.5, 1, 62, "hao")]
    assert "1 notes last into the next, by up to 0.208 s: cut there" in caplog.text


def test_truncated_and_garbage(tmp_path):
    path = build(tmp_path / "a.mid", note("wo", 60) + note("ai", 62))
    data = path.read_bytes()
    for size in range(len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(UserError, match=r"a\.mid"):
            read_midi(path)
    path.write_bytes(b"MThd" + bytes(range(256)) * 4)
    with pytest.raises(UserError, match="not readable|too early"):
        read_midi(path)
    with pytest.raises(UserError, match="no such file"):
        read_midi(tmp_path / "none.mid")


@given(st.data())
@settings(derandomize=True, max_examples=25, deadline=None)
def test_write_then_read(tmp_path_factory, data):
    """Notes, lyrics and slurs come back, times to half a millisecond; what does not is named."""
    path = tmp_path_factory.getbasetemp() / "round.mid"
    score = data.draw(scores(data.draw(st.sampled_from(sorted(LYRICS)))))
    lost = {item.partition(":")[0].split()[0] for item in write_midi(path, score)}
    back = read_midi(path, language=score.language)
    sung, again = ([n for n in s.notes if not n.is_rest] for s in (score, back))
    assert [(n.midi, n.lyric, n.slur) for n in again] == [(n.midi, n.lyric, n.slur) for n in sung]
    closed = any(n.is_rest and n.end_sec - n.start_sec < 0.061 for n in score.notes)
    if not closed:
        starts = [n.start_sec for n in sung] + [sung[-1].end_sec]
        assert [n.start_sec for n in again] + [again[-1].end_sec] == pytest.approx(starts, abs=5e-4)
        assert back.notes[-1].end_sec == pytest.approx(score.notes[-1].end_sec, abs=5e-4)
        assert [n.phones for n in again] == [n.phones for n in sung]
        assert ("phone" in lost) == bool(score.phones)
    assert back.tempo == pytest.approx(score.tempo, rel=1e-5)
    assert ("language" in lost) == (score.language != "zh")
    assert ("breaths" in lost) == any(n.phones == ("AP",) for n in score.notes)


def test_tempos_that_midi_cannot_write(tmp_path):
    score = read_midi(build(tmp_path / "a.mid", note("wo", 60)))
    with pytest.raises(UserError, match="tempo: 2 beats per minute"):
        write_midi(tmp_path / "b.mid", replace(score, tempo=2))


def test_tracks_of_words_are_sung_with_the_part_that_they_fit(tmp_path, caplog):
    """Of a karaoke file with words for two voices the ones of the voice asked for."""
    lead, choir = note(None, 60) + note(None, 62) + note(None, 64), note(None, 50, 960, track=1)
    names = [(i, 0, "name", name) for i, name in enumerate(("Lead", "Choir", "Words", "Oohs"))]
    words = [(2, 0, "lyric", "wo"), (2, 480, "lyric", "ai"), (2, 480, "lyric", "ni")]
    oohs = [(3, 0, "lyric", "wu")]
    path = build(tmp_path / "a.mid", [*names, *lead, *choir, *words, *oohs], tracks=4)
    assert [n.lyric for n in read_midi(path).notes if n.midi] == ["wo", "ai", "ni"]
    assert "1 of 2 tracks of lyrics is sung: Words, with the notes of Lead" in caplog.text
    assert [n.lyric for n in read_midi(path, part="Choir").notes if n.midi] == ["wu"]


def test_several_tracks_with_lyrics_are_named(tmp_path, caplog):
    events = [(0, 0, "name", "High"), (1, 0, "name", "Low"), *note("wo", 60)]
    path = build(tmp_path / "a.mid", events + note("ni", 50, track=1), tracks=2)
    assert [n.lyric for n in read_midi(path).notes] == ["wo"]
    assert "1 of 2 tracks with lyrics is sung: High" in caplog.text
    caplog.clear()
    assert [n.lyric for n in read_midi(path, part="Low").notes] == ["ni"]
    assert not caplog.records


def test_karaoke_that_says_another_language_is_named(tmp_path, caplog):
    tags = [(0, 0, "text", "@KMIDI KARAOKE FILE"), (0, 0, "text", "@LENGL")]
    path = build(tmp_path / "a.kar", [*tags, (0, 0, "text", "me"), *note(None, 60)])
    assert [n.lyric for n in read_midi(path).notes] == ["me"]  # pinyin too
    assert "says that its lyrics are en, read as zh" in caplog.text
    caplog.clear()
    pytest.importorskip("espeakng_loader")
    read_midi(path, language="en")
    assert not caplog.records
