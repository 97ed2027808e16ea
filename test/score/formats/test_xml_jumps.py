"""The order of play: repeats, endings, da capo, dal segno, coda."""

from .xml_document import DIVISIONS, TEMPO, first, lyrics, note, repeat, rows


def ending(number, kind):
    return f'<barline><ending number="{number}" type="{kind}"/></barline>'


def test_repeats_take_the_next_verse(read):
    measures = [
        first(note("C4", 2, "a")),
        repeat("forward") + note("D4", 2, "e", v2="o"),
        note("E4", 2, "ni", v2="wo") + repeat("backward"),
        note("F4", 2, "ai"),
    ]
    assert lyrics(read(measures)) == "ae" + "ni" + "o" + "wo" + "ai"
    score = read(measures)
    assert [n.midi for n in score.notes] == [60, 62, 64, 62, 64, 65]
    assert score.notes[-1].end_sec == 6


def test_endings(read):
    measures = [
        first(note("C4", 2, "a")),
        ending("1, 2", "start") + note("D4", 2, "e") + repeat("backward") + ending("1, 2", "stop"),
        ending("3", "start") + note("E4", 2, "o") + ending("3", "stop"),
        note("F4", 2, "ai"),
    ]
    assert lyrics(read(measures)) == "ae" + "ae" + "ao" + "ai"
    measures[1] = measures[1].replace("1, 2", "1")
    measures[2] = measures[2].replace('"3"', '"2"')
    assert lyrics(read(measures)) == "aeaoai"


def test_repeat_times_and_bombs(read):
    assert lyrics(read([first(note("C4", 2, "a")) + repeat("backward", times="3")])) == "aaa"
    many = read([first(note("C4", 2, "a")) + repeat("backward", times="999999")])
    assert len(many.notes) == 16


def sign(**attributes):
    listed = " ".join(f'{key}="{value}"' for key, value in attributes.items())
    return f"<direction><direction-type/><sound {listed}/></direction>"


def drawn(words="", symbol=""):
    words = words and f"<words>{words}</words>"
    symbol = symbol and f"<{symbol}/>"
    return f"<direction><direction-type>{words}{symbol}</direction-type></direction>"


def played(read, *measures):
    """The order of play of measures that each sing one note, C, D, E, ..."""
    pitches = ("C4", "D4", "E4", "F4", "G4", "A4", "B4")
    part = [m + note(pitches[i], 2, "a") for i, m in enumerate(measures)]
    part[0] = DIVISIONS + TEMPO + part[0]
    letters = {60: "C", 62: "D", 64: "E", 65: "F", 67: "G", 69: "A", 71: "B"}
    return "".join(letters[n.midi] for n in read(part).notes)


def test_da_capo_and_dal_segno(read, caplog):
    assert played(read, "", sign(fine="yes"), sign(dacapo="yes")) == "CDECD"
    assert played(read, "", drawn("Fine"), drawn("D.C. al Fine")) == "CDECD"
    assert played(read, "", sign(segno="s"), "", sign(dalsegno="s"), "") == "CDEFDEFG"
    assert played(read, "", drawn(symbol="segno"), drawn("D.S."), "") == "CDEDEF"
    assert not caplog.records
    assert played(read, "", sign(dalsegno="s"), "") == "CDE"
    assert "measure 2: dalsegno without a segno, played on" in caplog.text


def test_coda(read):
    coda = sign(coda="c")
    for to, target in ((sign(tocoda="c"), coda), (drawn("To Coda", "coda"), drawn("", "coda"))):
        assert played(read, "", to, "", sign(dacapo="yes"), target, "") == "CDEFCDGA"
    # two coda signs and no words: the first leads to the second
    signs = drawn("", "coda"), "", drawn("D.S. al Coda"), drawn("", "coda")
    assert played(read, drawn("", "segno"), *signs) == "CDEFCDG"


def test_jumps_leave_out_repeats_that_were_played(read):
    assert played(read, "", repeat("backward"), sign(dacapo="yes")) == "CDCDECDE"
    first_ending = ending("1", "start") + ending("1", "stop") + repeat("backward")
    second_ending = ending("2", "start") + ending("2", "stop")
    assert played(read, "", first_ending, second_ending, sign(dacapo="1")) == "CDCEFCEF"
    # the coda's own repeat is new
    coda = sign(coda="c") + repeat("forward")
    measures = (sign(tocoda="c"), sign(dacapo="yes"), coda, repeat("backward"))
    assert played(read, *measures) == "CDCEFEF"


def test_jumps_take_the_next_verse_and_hold_for_all_parts(read):
    voice = [first(note("C4", 2, "a", v2="o")), note("D4", 2, "e")]
    assert lyrics(read([*voice[:1], voice[1] + sign(dacapo="yes")])) == "ae" + "oe"
    piano = [first(note("C3", 2)), note("C3", 2) + sign(dacapo="yes")]
    assert lyrics(read(piano, voice)) == "ae" + "oe"


def test_tempo_belongs_to_its_place_after_da_capo(read):
    """A measure is played at the tempo written for it, whatever was heard before the jump."""
    measures = [
        DIVISIONS + note("C4", 2, "a"),
        TEMPO + note("D4", 2, "e") + sign(dacapo="yes"),
    ]
    assert [row[:2] for row in rows(read(measures))] == [(0, 0.5), (0.5, 1.5), (1.5, 2), (2, 3)]


def test_tempo_belongs_to_its_place_in_repeats_and_codas(read):
    slow = [DIVISIONS + note("C4", 2, "a"), TEMPO + note("D4", 2, "e") + repeat("backward")]
    assert [row[1] for row in rows(read(slow))] == [0.5, 1.5, 2, 3]
    measures = [
        DIVISIONS + note("C4", 2, "a") + sign(tocoda="c"),
        TEMPO + note("D4", 2, "e") + sign(dacapo="yes"),
        sign(coda="c") + note("E4", 2, "o"),
    ]
    assert [row[1] for row in rows(read(measures))] == [0.5, 1.5, 2, 3]


def test_ending_whose_bracket_is_drawn_short_goes_on_to_the_repeat_sign(read):
    opened = ending("1", "start") + ending("1", "discontinue")
    last = ending("2", "start") + ending("2", "discontinue")
    measures = ("", repeat("forward"), opened, repeat("backward"), last, "")
    assert played(read, *measures) == "CDEFDGA"
    both = (opened.replace('"1"', '"1, 2"'), repeat("backward"), last.replace('"2"', '"3"'))
    assert played(read, repeat("forward"), *both, "") == "CDECDECFG"


def test_ending_without_the_end_of_its_bracket(read):
    first_ending, second_ending = ending("1", "start"), ending("2", "start")
    measures = ("", first_ending, repeat("backward"), second_ending, "")
    assert played(read, *measures) == "CDECFG"
    # an open last ending does not swallow the next repeat
    measures = (first_ending + repeat("backward"), second_ending, repeat("forward"))
    assert played(read, "", *measures, repeat("backward")) == "CDCEFGFG"


def test_last_ending_does_not_reach_for_a_later_repeat_sign(read):
    first_ending = ending("1", "start") + ending("1", "stop") + repeat("backward")
    second_ending = ending("2", "start") + ending("2", "discontinue")
    measures = ("", first_ending, second_ending, "", repeat("backward"), "")
    assert played(read, *measures) == "CDCEFGFGA"


def test_passes_of_an_ending_as_a_range(read):
    first_ending = ending("1.-3.", "start") + ending("1.-3.", "stop") + repeat("backward")
    second_ending = ending("4", "start") + ending("4", "stop")
    assert played(read, "", first_ending, second_ending) == "CDCDCDCE"


def test_last_ending_keeps_its_verse_after_a_jump(read):
    """The verse that is written under the last ending alone was lost, without a warning."""
    measures = [
        first(note("C4", 2, "a", v2="e", v3="o")),
        ending("1, 2", "start") + note("D4", 2, "ni") + ending("1, 2", "stop") + repeat("backward"),
        ending("3", "start") + note("E4", 2, v3="wo") + ending("3", "stop") + sign(dacapo="yes"),
    ]
    assert lyrics(read(measures)) == "ani" + "eni" + "owo" + "awo"


def test_repeat_that_is_played_after_a_jump_too(read):
    """MusicXML's after-jump."""
    again = repeat("backward").replace("/></barline>", ' after-jump="yes"/></barline>')
    assert played(read, "", again, sign(dacapo="yes")) == "CDCDE" + "CDCDE"
    first_ending = ending("1", "start") + ending("1", "stop") + again
    second_ending = ending("2", "start") + ending("2", "stop")
    assert played(read, "", first_ending, second_ending + sign(dacapo="1")) == "CDCE" + "CDCE"
