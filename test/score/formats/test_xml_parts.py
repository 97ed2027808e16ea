"""What the parts of a MusicXML say together: which is sung, how long measures are."""

from .xml_document import first, note


def test_several_parts_with_lyrics_are_named_on_one_line(read, caplog):
    """A part's name may be two lines, as MuseScore writes it for two instrument names."""
    high, low = [first(note("C5", 2, "a"))], [first(note("C4", 2, "e"))]
    assert read(high, low, names=("Chant\nVoice", "Low")).notes[0].midi == 72
    assert "1 of 2 parts with lyrics is sung: Chant Voice (also Low)" in caplog.text
    assert read(high, low, names=("Chant\nVoice", "Low"), part="Chant Voice").notes[0].midi == 72


def test_measure_with_less_than_in_other_parts_is_filled_up(read, caplog):
    """It shifted all that follows, without a word."""
    time = "<attributes><time><beats>3</beats><beat-type>4</beat-type></time></attributes>"
    piano = [first(time, note(None, 6)), note(None, 6), note(None, 6)]
    voice = [first(note("C4", 6, "a")), note("D4", 2, "a"), note("E4", 2, "a") + note(None, 4)]
    score = read(voice, piano)
    assert [n.start_sec for n in score.notes if n.midi] == [0, 3, 6]
    assert "measure 2: 1 measures hold less than in other parts, or nothing" in caplog.text
    caplog.clear()
    own = time.replace("3", "1")  # beside one that holds more than its time signature
    alone = [first(own, note("C4", 2, "a")), note("D4", 2, "a")]
    piano = [first(own, note(None, 2)), note(None, 4)]
    assert [n.start_sec for n in read(alone, piano).notes] == [0, 1]
    assert not caplog.records
    long = [first(own, note("C4", 4, "a")), note("D4", 2, "a")]
    assert [n.start_sec for n in read(long, [first(own, note(None, 2)), note(None, 2)]).notes] == [
        *[0, 2]
    ]
    assert "measure 1: 1 measures hold more than in other parts" in caplog.text


def test_measure_without_anything_in_it_lasts_as_its_time_signature_says(read, caplog):
    time = "<attributes><time><beats>3</beats><beat-type>4</beat-type></time></attributes>"
    score = read([first(time, note("C4", 6, "a")), "", note("D4", 6, "a")])
    assert [n.start_sec for n in score.notes if n.midi] == [0, 6]
    assert "measure 2: 1 measures hold less" in caplog.text


def test_lyric_on_the_cue_note_of_a_chord_goes_to_its_other_note(read, caplog):
    cue = note("C5", 2, "ni").replace("<pitch>", "<cue/><pitch>", 1)
    score = read([first(cue, note("C4", 2, extra="chord"))])
    assert [(n.midi, n.lyric) for n in score.notes] == [(60, "ni")]
    assert not caplog.records
