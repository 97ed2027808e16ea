"""MuseScore's marks of tempo, endings and jumps, small notes, and what its versions write."""

import pytest

from espnet2_ext.score.formats.read import read_score

from .test_mscx import TEMPO, chord, document, measure, rest, rows, write


def read(tmp_path, *staves, **options):
    staves = [staff if isinstance(staff, tuple) else ("Voice", staff) for staff in staves]
    return read_score(write(tmp_path / "a.mscx", document(*staves)), **options)


def tempo(beats, *more):
    return f"<Tempo><tempo>{beats}</tempo>{''.join(more)}</Tempo>"


def volta(number, measures=0, fractions=""):
    where = f"<measures>{measures}</measures>" if measures else ""
    where += f"<fractions>{fractions}</fractions>" if fractions else ""
    return (
        f'<Spanner type="Volta"><Volta><endings>{number}</endings></Volta>'
        f"<next><location>{where}</location></next></Spanner>"
    )


def ends(score):
    return [round(note.end_sec, 3) for note in score.notes]


def midis(score):
    return [note.midi for note in score.notes]


WHOLE = [chord(midi, "a", "whole") for midi in (60, 62, 64, 65, 67, 69)]


def test_plain_score_is_read_without_a_warning(tmp_path, caplog):
    read(tmp_path, measure(TEMPO, chord(60, "ni", "whole")))
    assert not caplog.records


def test_staves_of_parts_without_an_id_as_version_4_6_writes_them(tmp_path):
    piano = measure(rest("measure", "<duration>4/4</duration>"))
    text = document(("Piano", piano), ("Voice", measure(WHOLE[0])))
    text = text.replace('<Part><Staff id="1"/>', "<Part><Staff/>")
    text = text.replace('<Part><Staff id="2"/>', "<Part><Staff/>")
    path = write(tmp_path / "a.mscx", text)
    assert midis(read_score(path)) == midis(read_score(path, part="Voice")) == [60]


def test_hidden_tempo_holds_and_one_that_is_not_played_does_not(tmp_path):
    hidden = tempo(2, "<visible>0</visible>")
    voice = measure(tempo(1), WHOLE[0]) + measure(hidden, WHOLE[1])
    voice += measure(tempo(9, "<play>0</play>"), WHOLE[2])
    assert ends(read(tmp_path, voice)) == [4, 6, 8]


def test_a_tempo_and_tempo_primo_do_not_go_by_their_number(tmp_path):
    """Version 4.6 writes 2 under both; the first tempo is that of any staff."""
    follow = "<followText>1</followText>"
    piano = measure(tempo(1), rest("whole")) + measure(tempo(4), rest("whole")) * 3
    voice = measure(WHOLE[0]) + measure(WHOLE[1])
    voice += measure(tempo(2, follow, "<type>aTempo</type>"), WHOLE[2])
    voice += measure(tempo(2, follow, "<type>tempoPrimo</type>"), WHOLE[3])
    piano = piano[: -len(measure(tempo(4), rest("whole")))] + measure(rest("whole"))
    assert ends(read(tmp_path, ("Piano", piano), voice)) == [4, 5, 6, 10]


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        (
            '<Spanner type="GradualTempoChange"><GradualTempoChange/><next><location/></next>'
            "</Spanner>",
            "1 gradual changes of tempo are not sung",
        ),
        ('<StaffText><swing unit="240" ratio="60"/></StaffText>', "1 marks of swing are not sung"),
    ],
)
def test_what_the_player_does_and_the_singer_does_not_is_said(tmp_path, caplog, mark, message):
    assert ends(read(tmp_path, measure(mark, WHOLE[0]))) == [2]
    assert message in caplog.text


def test_measure_repeat_is_a_rest_with_a_warning(tmp_path, caplog):
    sign = "<MeasureRepeat><durationType>measure</durationType><duration>4/4</duration>"
    voice = measure(WHOLE[0]) + measure(sign + "</MeasureRepeat>") + measure(WHOLE[1])
    assert midis(read(tmp_path, voice)) == [60, 0, 62]
    assert "1 signs that repeat a measure are sung as rests" in caplog.text


def test_small_notes_are_sung_and_cues_of_a_chord_give_their_lyric_away(tmp_path):
    small = chord(60, "ni", "half", "<small>1</small>")
    note = "<Note><pitch>{}</pitch>{}</Note>"
    cue = note.format(72, "<small>1</small><play>0</play>")
    both = chord(62, "hao", "half").replace("<Note>", cue + "<Note>")
    assert [(n.midi, n.lyric) for n in read(tmp_path, measure(small, both)).notes] == [
        *[(60, "ni"), (62, "hao")]
    ]


def test_grace_notes_after_a_note_stand_before_it_the_last_one_first(tmp_path):
    after = [chord(midi, None, "16th", "<grace16after/>") for midi in (67, 66)]
    score = read(tmp_path, measure(*after, chord(64, "ni", "half"), chord(60, "hao", "half")))
    assert midis(score) == [64, 66, 67, 60]
    assert ends(score) == [0.875, 0.938, 1, 2]


def test_elisions_labels_of_verses_and_words_that_begin_anew(tmp_path):
    pytest.importorskip("espeakng_loader")
    notes = [
        chord(60, "1-3. hel", syllabic="begin"),
        chord(62, "low"),
        chord(64, "go\u203fon", "half"),
    ]
    score = read(tmp_path, measure(*notes), language="en")
    assert [n.lyric for n in score.notes] == ["hel", "low", "go on"]


def test_ottava_lines(tmp_path):
    line = (
        '<Spanner type="Ottava"><Ottava><subtype>8vb</subtype></Ottava><next><location>'
        "<measures>1</measures><fractions>-1/4</fractions></location></next></Spanner>"
    )
    first = measure(chord(60, "a", "half"), line, chord(62, "a", "half"))
    second = measure(chord(64, "a"), chord(65, "a"), chord(67, "a", "half"))
    assert midis(read(tmp_path, first + second)) == [60, 50, 52, 65, 67]


def test_staff_with_a_time_signature_of_its_own(tmp_path, caplog):
    """2/4 in the time of 6/8: a quarter of the voice is a dotted quarter of the piano."""
    own = "<TimeSig><sigN>2</sigN><sigD>4</sigD><stretchN>2</stretchN><stretchD>3</stretchD>"
    piano = measure(rest("measure", "<duration>6/8</duration>")) * 2
    voice = measure(own + "</TimeSig>", tempo(2), chord(60, "a"), chord(62, "a"))
    voice += measure("<TimeSig><sigN>6</sigN><sigD>8</sigD></TimeSig>", chord(60, "a", "half"))
    voice = voice.replace("<durationType>half", "<dots>1</dots><durationType>half")
    assert ends(read(tmp_path, ("Piano", piano), voice)) == [0.75, 1.5, 3]
    assert not caplog.records


def test_tremolo_of_two_notes_takes_the_time_of_one(tmp_path):
    two = [chord(60, "a", "half", "<duration>1/4</duration>"), chord(62, "a", "half")]
    two[1] = two[1].replace("half</durationType>", "half</durationType><duration>1/4</duration>")
    assert ends(read(tmp_path, measure(*two, chord(64, "a", "half")))) == [0.5, 1, 2]


def test_ending_whose_bracket_is_drawn_short_in_another_staff(tmp_path):
    """The first staff has the brackets, every staff the repeat signs."""
    silent = rest("measure", "<duration>4/4</duration>")
    signs = ["", "<startRepeat/>", "", "<endRepeat>2</endRepeat>", ""]
    first = ["", "", volta(1, 1), "", volta(2, 0, "4/4")]
    piano = "".join(measure(m, silent, marks=s) for m, s in zip(first, signs, strict=True))
    voice = "".join(measure(w, marks=s) for w, s in zip(WHOLE, signs, strict=False))
    score = read(tmp_path, ("Piano", piano), voice)
    assert midis(score) == [60, 62, 64, 65, 62, 67]


def test_repeats_after_a_jump_where_it_asks_for_them(tmp_path):
    jump = "<Jump><jumpTo>start</jumpTo><playUntil>end</playUntil>{}</Jump>"
    for more, expected in (("", "CCDCD"), ("<playRepeats>1</playRepeats>", "CCDCCD")):
        voice = measure(WHOLE[0], marks="<endRepeat>2</endRepeat>")
        voice += measure(WHOLE[1], marks=jump.format(more))
        played = "".join({60: "C", 62: "D"}[m] for m in midis(read(tmp_path, voice)))
        assert played == expected


def test_repeat_goes_back_to_the_beginning_of_its_section(tmp_path):
    section = "<LayoutBreak><subtype>section</subtype></LayoutBreak>"
    voice = measure(WHOLE[0], marks=section) + measure(WHOLE[1])
    voice += measure(WHOLE[2], marks="<endRepeat>2</endRepeat>")
    assert midis(read(tmp_path, voice)) == [60, 62, 64, 62, 64]


def test_hidden_rests_and_breaths_are_not_there(tmp_path):
    hidden = "<visible>0</visible>"
    second = f"<voice>{rest('half', hidden)}{chord(50, 'wo', 'half')}</voice>"
    first = f"<voice>{chord(60, 'ni', 'half')}{rest('half', hidden)}</voice>"
    score = read(tmp_path, f"<Measure>{first}{second}</Measure>")
    assert [(n.midi, n.lyric) for n in score.notes] == [(60, "ni"), (50, "wo")]
    breath = "<Breath>{}<symbol>breathMarkComma</symbol></Breath>"
    for more, notes in ((hidden, [60, 62]), ("", [60, 0, 62])):
        voice = measure(chord(60, "ni", "half"), breath.format(more), chord(62, "hao", "half"))
        assert midis(read(tmp_path, voice)) == notes


def test_places_have_the_numbers_that_are_printed(tmp_path):
    pickup = measure(chord(60, "a"), marks="<irregular>1</irregular>")
    voice = pickup.replace("<Measure>", '<Measure len="1/4">') + measure(chord(62, "xyz", "whole"))
    with pytest.raises(Exception, match="part Voice, measure 1, note 1: no phones"):
        read(tmp_path, voice)
    with pytest.raises(Exception, match="irregular measure after 0, note 1: no phones"):
        read(tmp_path, voice.replace(">a<", ">qqq<"))
    score = read(tmp_path, voice.replace("xyz", "a"))
    assert rows(score)[0][:2] == (0, 0.5)


def test_several_parts_with_lyrics_are_named(tmp_path, caplog):
    voice = measure(TEMPO, WHOLE[0])
    assert midis(read(tmp_path, ("High", voice), ("Low", measure(WHOLE[1])))) == [60]
    assert "1 of 2 parts with lyrics is sung: High (also Low)" in caplog.text
    caplog.clear()
    assert midis(read(tmp_path, ("High", voice), ("Low", measure(WHOLE[1])), part="Low")) == [62]
    assert not caplog.records
