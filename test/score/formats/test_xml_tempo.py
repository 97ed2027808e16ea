"""Tempo in MusicXML: sounds, metronome marks with and without text, words, parts."""

import pytest

from .xml_document import DIVISIONS, TEMPO, first, note, rows


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


def equal(left, right, form="beat-unit"):
    """A mark of two equal notes; "quarter." has a dot."""
    notes = ""
    for name in (left, right):
        dot = "." in name
        name = name.strip(".")
        if form == "beat-unit":
            notes += f"<beat-unit>{name}</beat-unit>" + "<beat-unit-dot/>" * dot
        else:
            kind = f"<metronome-type>{name}</metronome-type>" + "<metronome-dot/>" * dot
            notes += f"<metronome-note>{kind}</metronome-note>"
            notes += "<metronome-relation>equals</metronome-relation>" if name == left else ""
    mark = f"<direction-type><metronome>{notes}</metronome></direction-type>"
    return f"<direction>{mark}</direction>"


def time(beats, unit):
    return (
        f"<attributes><time><beats>{beats}</beats><beat-type>{unit}</beat-type></time></attributes>"
    )


@pytest.mark.parametrize(
    ("before", "after", "left", "right", "bpm"),
    [
        ((2, 4), (6, 8), "quarter", "quarter.", 90),
        ((6, 8), (2, 4), "quarter.", "quarter", 40),
        ((4, 4), (2, 2), "quarter", "half", 120),
        ((2, 4), (6, 8), "quarter.", "quarter", 90),  # the new note first, as in older prints
        ((4, 4), (3, 8), "eighth", "eighth", 60),
        ((4, 4), (4, 4), "half", "half", 60),
    ],
)
@pytest.mark.parametrize("form", ["beat-unit", "metronome-note"])
def test_equal_notes_change_the_tempo(read, caplog, before, after, left, right, bpm, form):
    mark = equal(left, right, form)
    measures = [first(time(*before), note("C4", 2, "a")), time(*after) + mark + note("D4", 2, "a")]
    score = read(measures)
    assert score.notes[1].end_sec - score.notes[1].start_sec == pytest.approx(60 / bpm)
    assert not caplog.records


def test_equal_notes_in_words(read, caplog):
    words = "<words>\u2669 = \u2669.</words>"
    mark = f"<direction><direction-type>{words}</direction-type></direction>"
    measures = [first(time(2, 4), note("C4", 2, "a")), time(6, 8) + mark + note("D4", 3, "a")]
    assert read(measures).notes[1].end_sec == pytest.approx(2)
    assert not caplog.records


def test_equal_notes_that_may_mean_either_tempo_are_named(read, caplog):
    mark = equal("quarter", "quarter.")
    measures = [first(time(4, 4), note("C4", 2, "a")), mark + note("D4", 2, "a")]
    assert read(measures).notes[1].end_sec == 2
    assert "measure 2: which of two equal notes is of the tempo before is not plain" in caplog.text


def test_no_tempo_is_named_and_120(read, caplog):
    score = read([DIVISIONS + note(None, 2) + note("C4", 2, "a")])
    assert score.tempo == 120
    assert "measure 1: no tempo is written, taken as 120" in caplog.text


def test_pickup_has_the_tempo_of_the_measure_after_it(read, caplog):
    assert read([DIVISIONS + note("C4", 2, "a"), TEMPO + note("D4", 4, "a")]).notes[0].end_sec == 1
    assert not caplog.records


def test_mark_that_is_drawn_and_played_otherwise_is_named(read, caplog):
    sounding = metronome("72").replace("</direction>", '<sound tempo="{}"/></direction>')
    read([DIVISIONS + sounding.format(70) + note("C4", 2, "a")])
    assert not caplog.records
    assert read([DIVISIONS + sounding.format(50) + note("C4", 2, "a")]).tempo == 50
    assert "measure 1: a metronome mark of 72 quarters a minute is played at 50" in caplog.text
