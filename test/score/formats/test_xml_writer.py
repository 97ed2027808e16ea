import zipfile
from xml.etree import ElementTree

import pytest

from espnet2_ext.score.formats.assemble import SungNote, assemble
from espnet2_ext.score.formats.musicxml import read_musicxml
from espnet2_ext.score.formats.xml_writer import write_musicxml
from espnet2_ext.score.music_score import MusicScore, Note


def song(*rows, language="zh", tempo=120.0):
    """(length in s, midi, lyric) after each other."""
    sung, now = [], 0.0
    for length, midi, lyric in rows:
        sung.append(SungNote(now, now + length, midi, lyric, f"at {now}"))
        now += length
    return assemble(sung, "song", tempo, language)


def test_notes_are_tied_over_the_bars(tmp_path):
    path = tmp_path / "a.musicxml"
    score = song((5.0, 61, "我"), (0.5, 62, None), (0.5, 0, "AP"), (1.0, 64, "ai4"))
    assert write_musicxml(path, score) == []
    assert read_musicxml(path) == score
    measures = ElementTree.parse(path).getroot().findall("part/measure")
    bars = [[note.findtext("duration") for note in m.findall("note")] for m in measures]
    assert bars == [["3840"], ["3840"], ["1920", "960", "960"], ["1920"]]
    assert len(ElementTree.parse(path).getroot().findall(".//lyric/text")) == 2


def test_words_keep_their_hyphens(tmp_path):
    path = tmp_path / "a.xml"
    score = song((1, 60, "hel-"), (1, 62, None), (1, 64, "lo"), (1, 60, "don't"), language="en")
    assert write_musicxml(path, score) == []
    assert read_musicxml(path) == score and read_musicxml(path).language == "en"
    kinds = [e.text for e in ElementTree.parse(path).getroot().iter("syllabic")]
    assert kinds == ["begin", "end", "single"]


def test_mxl_is_the_same_bytes_each_time(tmp_path):
    score = song((1, 60, "さ"), (1, 62, "く"), language="ja")
    paths = [tmp_path / name for name in ("a.mxl", "b.mxl")]
    for path in paths:
        assert write_musicxml(path, score) == [] and read_musicxml(path) == score
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert zipfile.ZipFile(paths[0]).namelist()[0] == "META-INF/container.xml"


@pytest.mark.parametrize("tempo", [3.7, 41.3, 97.123456, 260])
def test_times_that_are_no_fractions_of_a_beat(tmp_path, tempo):
    score = song((0.1234567, 60, "wo"), (7 / 9, 62, "ai"), (0.0123, 64, "ni"), tempo=tempo)
    lost = write_musicxml(tmp_path / "a.xml", score)
    back = read_musicxml(tmp_path / "a.xml")
    assert back.tempo == tempo and all("times: rounded" in item for item in lost)
    for note, again in zip(score.notes, back.notes, strict=True):
        assert again.end_sec == pytest.approx(note.end_sec, abs=5.1e-4)


def test_what_a_score_has_beside_its_lyrics_is_named(tmp_path):
    phones = (("x", "ing"), ("l", "a"))
    notes = [Note(i, i + 1, 60, lyric, phones[i]) for i, lyric in enumerate(("行", ""))]
    score = MusicScore(tuple(notes))
    assert write_musicxml(tmp_path / "a.xml", score) == [
        "lyrics: 1 read back otherwise, first '' as 'la'"
    ]
    notes[0] = Note(0, 1, 60, "行", ("h", "ang"))
    lost = write_musicxml(tmp_path / "a.xml", MusicScore(tuple(notes)))
    assert lost[1] == "phones: 1 read back otherwise, first 'h ang' as 'x ing'"
