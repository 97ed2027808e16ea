"""Tempo in MusicXML: sounds, metronome marks with and without text, words, parts."""

import pytest

from .xml_document import DIVISIONS, first, note, rows


def test_tempo_changes_and_metronome_marks(read):
    mark = (
        "<direction><direction-type><metronome><beat-unit>quarter</beat-unit><beat-unit-dot/>"
        "<per-minute>80</per-minute></metronome></direction-type></direction>"
    )
    measures = [first(note("C4", 2, "a"), mark, note("C4", 2, "a")), note("C4", 2, "a")]
    assert rows(read(measures)) == [(0, 1, 60, "a"), (1, 1.5, 60, "a"), (1.5, 2, 60, "a")]
    assert read([DIVISIONS + note("C4", 2, "a")]).tempo == 120


def metronome(text, beat="quarter", dots=0):
    return (
        f"<direction><direction-type><metronome><beat-unit>{beat}</beat-unit>"
        f"{'<beat-unit-dot/>' * dots}<per-minute>{text}</per-minute></metronome>"
        "</direction-type></direction>"
    )


@pytest.mark.parametrize(
    ("mark", "bpm"),
    [
        (metronome("c. 60"), 60),
        (metronome("ca.60"), 60),
        (metronome("M.M. = 60"), 60),
        (metronome("[60]"), 60),
        (metronome("60-66"), 63),
        (metronome("72.5"), 72.5),
        (metronome("circa 40", "half"), 80),
        (metronome("80", "32nd"), 10),
        (metronome("80", "quarter", 2), 140),
    ],
)
def test_metronome_marks_with_text(read, caplog, mark, bpm):
    assert read([DIVISIONS + mark + note("C4", 2, "a")]).tempo == bpm
    assert not caplog.records


@pytest.mark.parametrize(
    ("words", "bpm"),
    [("\u2669 = 60", 60), ("Andante (\u2669. = c. 60)", 90), ("\u266a=90", 45), ("Andante", 120)],
)
def test_metronome_marks_in_words(read, words, bpm):
    mark = f"<direction><direction-type><words>{words}</words></direction-type></direction>"
    assert read([DIVISIONS + mark + note("C4", 2, "a")]).tempo == bpm


def test_metronome_marks_that_are_not_read_are_named(read, caplog):
    assert read([DIVISIONS + metronome("very fast") + note("C4", 2, "a")]).tempo == 120
    assert "measure 1: a metronome mark 'very fast' is not read, the tempo stays" in caplog.text
    sounding = metronome("fast").replace("</direction>", '<sound tempo="90"/></direction>')
    caplog.clear()
    assert read([DIVISIONS + sounding + note("C4", 2, "a")]).tempo == 90
    assert not caplog.records


def test_tempo_is_taken_from_the_first_part(read):
    voice = [DIVISIONS + note("C4", 2, "a"), note("C4", 2, "a")]
    piano = [first(note("C3", 2)), '<sound tempo="120"/>' + note("C3", 2)]
    assert rows(read(piano, voice)) == [(0, 1, 60, "a"), (1, 1.5, 60, "a")]
