"""What users of other singing programs reported as faults, tried here.

Each test names the report: what went wrong there must be right here, or one line that says why.
"""

import json

import numpy as np
import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.assemble import split_lyrics
from espnet2_ext.score.formats.read import read_score
from espnet2_ext.score.formats.write import write_score
from espnet2_ext.score.frames import round_boundaries
from espnet2_ext.score.lyrics.languages import language_of

from .test_midi import build
from .test_midi import note as midi_note
from .xml_document import DIVISIONS, TEMPO, first, note, rows


@pytest.mark.parametrize(("fs", "hop"), [(22050, 256), (44100, 441), (24000, 300), (44100, 512)])
def test_many_phones_do_not_drift(fs, hop):
    """OpenUtau 2090: rounding phone by phone; espnet 6292: 6 s of 12 s at another rate."""
    fps = fs / hop
    ends = np.cumsum(np.full(200, 0.0373))
    frames = round_boundaries(ends, fps)
    assert frames.sum() == round(ends[-1] * fps)
    assert np.abs(np.cumsum(frames) - ends * fps).max() <= 0.5 + 1e-6


def test_tempo_changes_inside_a_bar_are_heard_and_kept(read, tmp_path):
    """utaformatix3 198: lost in MusicXML."""
    faster = '<direction><sound tempo="140"/></direction>'
    bar = note("C4", 2, "a") + note("D4", 2, "a") + faster + note("E4", 2, "a") + note("F4", 2, "a")
    score = read([DIVISIONS + TEMPO.replace("60", "120") + bar])
    starts = [0, 0.5, 1, 1.4286]
    assert [round(n.start_sec, 4) for n in score.notes] == starts
    for suffix in ("musicxml", "ust", "ustx", "mid"):
        write_score(tmp_path / f"b.{suffix}", score)
        again = read_score(tmp_path / f"b.{suffix}")
        assert [n.start_sec for n in again.notes] == pytest.approx(starts, abs=0.002)


def test_backup_chord_tie_over_the_barline_and_words_of_two_syllables(read):
    """OpenUtau 1753, partitura 501, MuseScore 26453: all of them in one score."""
    pytest.importorskip("espeakng_loader")
    syllabic = '<lyric number="1"><syllabic>{}</syllabic>'
    sun = note("C4", 2, "sun").replace('<lyric number="1">', syllabic.format("begin"))
    shine = note("D4", 2, "shine").replace('<lyric number="1">', syllabic.format("end"))
    below = "<backup><duration>8</duration></backup>" + note("C3", 8, voice=2)
    chord = note("E4", 2, "on", extra="start") + note("G4", 2, extra="chord start")
    tied = note("E4", 2, extra="stop") + note("G4", 2, extra="chord stop")
    measures = [first(sun, shine, note("E4", 2), chord, below), tied + note("F4", 4, "me") + below]
    assert rows(read(measures, language="en")) == [
        *[(0, 1, 60, "sun-"), (1, 2, 62, "shine"), (2, 3, 64, "—")],
        *[(3, 5, 67, "on"), (5, 7, 65, "me"), (7, 8, 0, "")],
    ]


def test_two_lyrics_at_one_tick_are_one_note_or_an_error(tmp_path):
    """OpenUtau 1290: a crash."""
    doubled = [(0, 0, "lyric", "wo"), (0, 0, "lyric", "wo"), *midi_note(None, 60)]
    with pytest.raises(UserError, match="'wowo'"):
        read_score(build(tmp_path / "a.mid", doubled))
    two_tracks = [*midi_note("wo", 60), (1, 0, "lyric", "wo")]
    assert [n.lyric for n in read_score(build(tmp_path / "b.mid", two_tracks, 2)).notes] == ["wo"]


@pytest.mark.parametrize(
    ("charset", "lyric", "language"),
    [
        *[("utf-8", "我", "zh"), ("gb18030", "我", "zh")],
        *[("utf-8", "か", "ja"), ("cp932", "か", "ja")],
    ],
)
def test_lyrics_of_midi_are_no_latin_1(tmp_path, charset, lyric, language):
    """pretty-midi 233, miditoolkit 6, music21 606: hanzi and kana came out as Latin letters."""
    path = build(tmp_path / "a.mid", midi_note(lyric, 60), charset=charset)
    assert read_score(path, language=language).notes[0].lyric == lyric


def segment(**changes):
    """A segment of DiffSinger's: a rest, two words on three notes."""
    values = {"offset": 0, "text": "SP 还 记", "ph_seq": "SP h ai j i", "ph_num": "2 2 1"}
    values |= {"ph_dur": "0.3 0.1 0.4 0.1 0.5", "note_seq": "rest C4 D4 E4"}
    return values | {"note_dur": "0.4 0.3 0.2 0.5", "note_slur": "0 0 1 0"} | changes


def test_more_notes_than_words_without_a_slur_is_one_line_with_both_counts(tmp_path):
    """openvpi/DiffSinger 112: an index error."""
    path = tmp_path / "a.ds"
    path.write_text(json.dumps([segment()]), encoding="utf-8")
    assert [n.slur for n in read_score(path).notes] == [False, False, True, False]
    path.write_text(json.dumps([segment(note_slur="0 0 0 0")]), encoding="utf-8")
    with pytest.raises(UserError, match=r"ph_num: 3 .*4"):
        read_score(path)


def test_rest_after_a_slur_keeps_its_word_in_ds(tmp_path):
    """OpenUtau 2090: ph_num was wrong where a rest follows a slur."""
    notes = [(0, 0.5, 60, "wo"), (0.5, 1, 62, "-"), (1, 1.5, 0, "SP"), (1.5, 2, 64, "ni")]
    listed = [dict(zip(("start_sec", "end_sec", "midi", "lyric"), n, strict=True)) for n in notes]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"tempo": 120, "notes": listed}), encoding="utf-8")
    score = read_score(path)
    write_score(tmp_path / "b.ds", score)
    values = json.loads((tmp_path / "b.ds").read_text())[0]
    assert sum(map(int, values["ph_num"].split())) == len(values["ph_seq"].split())
    assert [(n.midi, n.slur) for n in read_score(tmp_path / "b.ds").notes] == [
        *[(60, False), (62, True), (0, False), (64, False)]
    ]


@pytest.mark.parametrize("lyric", ["xyz", "qqq", "wo men", "@"])
def test_lyric_that_cannot_be_sung_is_named_and_never_silence(tmp_path, lyric):
    """OpenUtau 953 and 1035: spaces in a lyric; an unknown one became silence."""
    path = build(tmp_path / "a.mid", midi_note("wo", 60) + midi_note(lyric, 62))
    if lyric == "@":  # a mark, nothing to say: the syllable before goes on
        assert read_score(path).notes[1].slur
        return
    with pytest.raises(UserError, match=f"note 2 .*'{lyric}'"):
        read_score(path)


@pytest.mark.parametrize(
    ("text", "phones"),
    [
        *[("还记得", "h ai|j i|d e"), ("长大", "zh ang|d a"), ("银行", "y in|h ang")],
        *[("还 huan2 dei3 去", "h ai|h uan|d ei|q v")],
    ],
)
def test_polyphonic_hanzi(text, phones):
    """ACE-Step 1322, GPT-SoVITS 209, index-tts 625: wrong readings, and pinyin not heeded."""
    found = [" ".join(s.phones) for s in language_of("zh").read(text)]
    assert "|".join(found) == phones


def test_hanzi_over_three_notes_keeps_its_phones_once(read):
    score = read([first(note("C4", 2, "长"), note("D4", 2), note("E4", 2), note("F4", 2, "大"))])
    assert [n.phones for n in score.notes] == [*[("zh", "ang"), ("ang",), ("ang",), ("d", "a")]]


def test_spaces_between_hanzi_drop_no_word():
    """ACE-Step 1153."""
    assert split_lyrics("君 不 见") == split_lyrics("君不见") == ["君", "不", "见"]


@pytest.mark.parametrize(
    ("lyric", "language"), [("í", "zh"), ("í", "en"), ("1", "zh"), ("1", "en")]
)
def test_accents_and_digits_are_sung_or_refused_in_one_line(read, lyric, language):
    """lyric-align 27: a crash."""
    if language == "en":
        pytest.importorskip("espeakng_loader")
    try:
        score = read([first(note("C4", 2, lyric))], language=language)
    except UserError as error:
        assert "measure 1, note 1" in str(error) and lyric in str(error)
    else:
        assert score.notes[0].phones and lyric == "í"
