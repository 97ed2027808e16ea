import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.musicxml import read_musicxml
from espnet2_ext.score.lyrics.languages import LANGUAGES

from .xml_document import DIVISIONS, document, first, lyrics, note, repeat, rows


def test_notes_rests_ties_and_melisma(read):
    measures = [
        first(
            note("C4", 2, "wo"), note("D4", 1), note(None, 1), note("F#4", 4, "你", extra="start")
        ),
        note("F#4", 2, extra="stop") + note("G4", 2, "hao3") + note(None, 4),
    ]
    score = read(measures)
    assert rows(score) == [
        (0, 1, 60, "wo"),
        (1, 1.5, 62, "—"),
        (1.5, 2, 0, ""),
        (2, 5, 66, "你"),
        (5, 6, 67, "hao3"),
        (6, 8, 0, ""),
    ]
    assert [n.phones for n in score.notes] == [
        ("w", "o"), ("o",), ("SP",), ("n", "i"), ("h", "ao"), ("SP",),
    ]  # fmt: skip
    assert score.tempo == 60 and score.notes[1].slur


def test_part_by_name_number_id_and_default(read):
    parts = ([first(note("C3"))], [first(note("E4", 2, "a"))], [first(note("G4", 2, "o"))])
    names = ("Piano", "Alto", "Bass")
    assert read(*parts, names=names).notes[0].midi == 64
    for part in ("3", "Bass", "P2"):
        assert read(*parts, names=names, part=part).notes[0].midi == 67
    with pytest.raises(UserError, match="part: no part 'Solo'.*1 .Piano., 2 .Alto., 3 .Bass."):
        read(*parts, names=names, part="Solo")
    with pytest.raises(UserError, match="part Piano.*no lyrics"):
        read(*parts, names=names, part="Piano")


def test_voices_and_backup(read):
    back = "<backup><duration>4</duration></backup>"
    measure = first(
        note("C4", 4, voice=1), back, note("E4", 2, "a", 2), note("F4", 2, "o", 2),
        back, "<forward><duration>2</duration></forward>", note("A4", 2, "e", 3),
    )  # fmt: skip
    assert rows(read([measure])) == [(0, 1, 64, "a"), (1, 2, 65, "o")]
    assert rows(read([measure], voice="3")) == [(0, 1, 0, ""), (1, 2, 69, "e")]
    with pytest.raises(UserError, match="voice: no voice '9' .expected 1, 2, 3"):
        read([measure], voice="9")


BACK = "<backup><duration>4</duration></backup>"


def small(element):
    return element.replace("<voice>", '<type size="cue">quarter</type><voice>')


def test_small_notes_beside_the_sung_voice_are_not_sung(read, caplog):
    measures = [
        first(note("C4", 2, "ni"), note("D4", 2, "hao")),
        small(note("G4", 4)) + BACK + note("C4", 4, "ma", voice=2),
        note("C4", 2, "a") + note(None, 2),
    ]
    assert rows(read(measures))[2:] == [(2, 4, 60, "ma"), (4, 5, 60, "a"), (5, 6, 0, "")]
    assert "measure 2, note 1: 1 small notes without lyrics are left out" in caplog.text
    assert "measure 2: lyrics of other voices, sung in 1 measures" in caplog.text


def test_small_notes_in_part_of_a_measure(read):
    other = "<forward><duration>2</duration></forward>" + note("C4", 2, "ma", voice=2)
    measures = [first(note("C4", 2, "ni"), small(note("G4", 2)), BACK, other)]
    assert rows(read(measures)) == [(0, 1, 60, "ni"), (1, 2, 60, "ma")]
    # beneath the sung voice, or alone as an instrument's cue, they are left out too
    measures = [first(note("C4", 4, "ni"), BACK, small(note("G4", 4, voice=2)), small(note("A4")))]
    assert rows(read(measures)) == [(0, 2, 60, "ni"), (2, 3, 0, "")]


def test_small_notes_with_lyrics_are_sung_unless_others_are(read):
    alone = first(small(note("C4", 2, "ni")), small(note("D4", 2)))
    assert rows(read([alone])) == [(0, 1, 60, "ni"), (1, 2, 62, "—")]
    beside = small(note("G4", 4, "a")) + BACK + note("C4", 4, "ma", voice=2)
    assert rows(read([first(note("C4", 4, "ni")), beside])) == [(0, 2, 60, "ni"), (2, 4, 60, "ma")]


def test_rests_of_a_voice_stay_where_another_sings(read, caplog):
    duet = first(note("C5", 2, "ni"), note(None, 2), BACK, note("E4", 4, "hao", voice=2))
    assert rows(read([duet])) == [(0, 1, 72, "ni"), (1, 2, 0, "")]
    assert "1 lyrics of voices other than 1 are not sung" in caplog.text
    hidden = note(None, 4).replace("<note>", '<note print-object="no">')
    measures = [first(note("C5", 4, "ni")), hidden + BACK + note("E4", 4, "hao", voice=2)]
    assert rows(read(measures)) == [(0, 2, 72, "ni"), (2, 4, 64, "hao")]
    caplog.clear()
    assert rows(read([duet], voice="2")) == [(0, 2, 64, "hao")]
    assert not caplog.records


def test_chord_sings_its_top_note(read):
    chord = note("C4", 2, "a") + note("G4", 2, extra="chord") + note("E4", 2, extra="chord")
    assert rows(read([first(chord)])) == [(0, 1, 67, "a")]


def test_unpitched_notes_are_left_out(read):
    unpitched = "<note><unpitched/><duration>2</duration><voice>1</voice></note>"
    assert rows(read([first(note("C4", 2, "a"), unpitched)])) == [(0, 1, 60, "a"), (1, 2, 0, "")]


def test_grace_notes_take_their_time_from_the_note_after_them(read, caplog):
    graces = note("B3", extra="grace") + note("A3", extra="grace")
    measure = first(note("E4", 2, "o"), graces, note("C4", 2, "a"))
    assert rows(read([measure])) == [
        (0, 1, 64, "o"),
        (1, 1.125, 59, "a"),
        (1.125, 1.25, 57, "—"),
        (1.25, 2, 60, "—"),
    ]
    assert "measure 1: 2 grace notes, sung" in caplog.text and len(caplog.records) == 1
    assert rows(read([measure], graces=False)) == [(0, 1, 64, "o"), (1, 2, 60, "a")]
    own = first(note("B3", lyric="e", extra="grace"), note("C4", 2, "a"))
    assert rows(read([own])) == [(0, 0.125, 59, "e"), (0.125, 1, 60, "a")]


def test_grace_notes_with_nothing_after_them_take_from_the_note_before(read):
    after = note("D4", extra="grace")
    measure = first(note("C4", 2, "a"), after, note(None, 2))
    assert rows(read([measure])) == [(0, 0.875, 60, "a"), (0.875, 1, 62, "—"), (1, 2, 0, "")]
    stealing = after.replace("<grace/>", '<grace steal-time-previous="20"/>')
    measure = first(note("C4", 2, "a"), stealing, note("E4", 2, "o"))
    assert rows(read([measure]))[1:] == [(0.875, 1, 62, "—"), (1, 2, 64, "o")]
    assert rows(read([first(after, note(None, 2), note("C4", 2, "a"))]))[1:] == [(1, 2, 60, "a")]


def breath(element):
    mark = "<notations><articulations><breath-mark/></articulations></notations>"
    return element.replace("</note>", f"{mark}</note>")


def test_breath_marks(read):
    measure = first(breath(note("C4", 2, "a")), note("D4", 2, "e"))
    score = read([measure])
    assert rows(score) == [(0, 0.75, 60, "a"), (0.75, 1, 0, ""), (1, 2, 62, "e")]
    assert score.notes[1].phones == ("AP",)
    measure = first(breath(note("C4", 2, "a")), note(None, 2), note("D4", 2, "e"))
    score = read([measure])
    assert rows(score)[1:] == [(1, 1.5, 0, ""), (1.5, 2, 0, ""), (2, 3, 62, "e")]
    assert [n.phones for n in score.notes][1:3] == [("SP",), ("AP",)]
    score = read([first(breath(note(None, 2)), note("D4", 2, "e"))])
    assert rows(score) == [(0, 1, 0, ""), (1, 2, 62, "e")] and score.notes[0].phones == ("AP",)


def syllable(pitch, text, kind, duration=2, extra=""):
    written = note(pitch, duration, text, extra=extra)
    return written.replace("<text>", f"<syllabic>{kind}</syllabic><text>")


def test_words_over_several_notes(read):
    measure = first(
        syllable("C4", "1. hel", "begin"), note("D4", 2), syllable("E4", "lo", "end"),
        note("F4", 2, "a</text><elision>_</elision><text>you"),
    )  # fmt: skip
    score = read([measure], language="en")
    assert [n.lyric for n in score.notes] == ["hel-", "—", "lo", "a you"]
    assert [" ".join(n.phones) for n in score.notes] == ["HH AH", "AH", "L OW", "AH Y UW"]


@pytest.mark.parametrize(
    "label",
    ["1.", "1-4.", "1.-4.", "1\u20134. ", "1, 2.", "1./2.", "1. & 3.", "(1)", "1)", "[1.]", "12."],
)
def test_verse_labels_are_no_syllables(read, label):
    score = read([first(note("C4", 2, f"{label} where".replace("&", "&amp;")))], language="en")
    assert [n.lyric for n in score.notes] == ["where"]


def test_tied_note_with_a_syllable_of_its_own_is_sung(read):
    measure = first(
        syllable("C4", "me", "begin", extra="start"), syllable("C4", "re", "end", extra="stop"),
        note(None, 2), note("D4", 2, "la"),
    )  # fmt: skip
    score = read([measure], language="en")
    assert rows(score)[:2] == [(0, 1, 60, "me-"), (1, 2, 60, "re")]
    # over three notes: the syllable is on the second, and is held
    chain = first(
        note("C4", 2, "ni", extra="start"), note("C4", 2, "a", extra="stop start"),
        note("C4", 2, extra="stop"),
    )  # fmt: skip
    assert rows(read([chain])) == [(0, 1, 60, "ni"), (1, 3, 60, "a")]
    other_verse = first(note("C4", 2, "ni", extra="start"), note("C4", 2, v2="a", extra="stop"))
    assert rows(read([other_verse])) == [(0, 2, 60, "ni")]


@pytest.mark.parametrize("mark", ["ー", "-", "_", "—", ","])
def test_tied_note_with_a_mark_of_prolongation_is_held(read, mark):
    measure = first(note("C4", 2, "さ", extra="start"), note("C4", 2, mark, extra="stop"))
    assert rows(read([measure], language="ja")) == [(0, 2, 60, "さ")]


@pytest.mark.parametrize("kind", ["begin", "single"])
def test_a_word_begins_after_one_that_was_never_ended(read, kind):
    measure = first(
        syllable("C4", "fi", "begin"), syllable("D4", "de", "middle"), note(None, 2),
        syllable("E4", "de", kind), syllable("F4", "light", "end"),
    )  # fmt: skip
    score = read([measure], language="en")
    end = "de-" if kind == "begin" else "de"
    assert [n.lyric for n in score.notes] == ["fi-", "de", "", end, "light"]
    assert score.notes[4].phones == ("L", "AY", "T")
    # a hyphen that is typed, without syllabic, still joins
    typed = first(note("C4", 2, "hel-"), note("E4", 2, "lo"))
    assert [n.phones for n in read([typed], language="en").notes] == [("HH", "AH"), ("L", "OW")]


def test_language_of_the_lyrics(read):
    measure = first(note("C4", 2, "さ")).replace("<text>", '<text xml:lang="ja-JP">')
    assert read([measure]).language == "ja"
    with pytest.raises(UserError, match="language: lyrics in 'tlh'"):
        read([measure], language="tlh")


def in_language(code, *notes):
    return "".join(notes).replace("<text>", f'<text xml:lang="{code}">')


@pytest.mark.parametrize(("code", "name"), [("de", "de"), ("DE-at", "de"), ("ita", "ita")])
def test_lyrics_in_a_language_that_is_not_sung_are_refused(read, code, name):
    measure = first(in_language(code, note("C4", 2, "du"), note("D4", 2, "du")))
    # a code that no pack will ever sing stands for those that one day may be
    measure = measure.replace(f'"{code}"', '"tlh"') if name in LANGUAGES else measure
    with pytest.raises(UserError, match="language: lyrics in '[a-z]+'"):
        read([measure])
    assert read([measure], language="zh").notes[0].phones == ("d", "u")


@pytest.mark.parametrize(
    ("code", "language"),
    [("EN-gb", "en"), ("eng", "en"), ("jpn", "ja"), ("zh-Hans-CN", "zh"), ("und", "zh")],
)
def test_codes_of_languages(read, code, language):
    assert read([first(in_language(code, note("C4", 2, "a")))]).language == language


def test_language_of_the_verse_that_is_sung(read):
    measure = first(in_language("tlh", note("C4", 2, "a")), note("D4", 2, "e"))
    english = in_language("en", note("C4", 2, None, v2="a"))
    measure = measure.replace("</note>", english[english.index("<lyric") :], 1)
    assert read([measure], verse=2).language == "en"
    with pytest.raises(UserError, match="language: lyrics in 'tlh'"):
        read([measure])


def test_language_that_the_file_gives_for_all_lyrics(tmp_path):
    default = '<defaults><lyric-language xml:lang="ja"/></defaults><part-list>'
    path = tmp_path / "a.musicxml"
    path.write_text(document([first(note("C4", 2, "sa"))]).replace("<part-list>", default))
    assert read_musicxml(path).language == "ja"


@pytest.mark.parametrize(
    ("what", "kind"),
    [("<unpitched/>", "notes without pitch"), ("<rest/>", "rests"), ("<cue/>", "cue notes")],
)
def test_lyrics_that_no_sung_note_carries_are_named(read, caplog, what, kind):
    lyric = "<lyric><text>hao</text></lyric>"
    unsung = f"<note>{what}<duration>2</duration><voice>1</voice>{lyric}</note>"
    measures = [first(note("C4", 2, "ni"), unsung, note("D4", 2, "ma"))]
    assert [row[3] for row in rows(read(measures))] == ["ni", "", "ma"]
    assert f"measure 1: 1 lyrics under {kind} are left out" in caplog.text
    caplog.clear()
    read([first(note("C4", 2, "ni"), unsung.replace(lyric, ""), note("D4", 2, "ma"))])
    assert not caplog.records


def test_transposing_part(read):
    moved = "<attributes><transpose><chromatic>-2</chromatic></transpose></attributes>"
    assert read([first(moved, note("D4", 2, "a"))]).notes[0].midi == 60


def test_verse(read):
    measures = [first(note("C4", 2, "a", v2="o"), note("D4", 2, "e", v2="ai"))]
    assert lyrics(read(measures)) == "ae" and lyrics(read(measures, verse=2)) == "oai"
    with pytest.raises(UserError, match="verse: no verse 3 .expected 1, 2"):
        read(measures, verse=3)


def test_verses_need_not_be_numbered_from_1(read):
    measure = first(note("C4", 2, None, v2="a", v4="o"), note("D4", 2, None, v2="e"))
    assert lyrics(read([measure])) == "ae" and lyrics(read([measure], verse=4)) == "o—"
    assert lyrics(read([measure + repeat("backward")])) == "aeo—"


def test_a_note_for_another_verse_alone_is_a_rest(read, caplog):
    upbeat = note("E4", 2, v2="ma") + note("F4", 2)
    measure = first(note("C4", 2, "ni"), note(None, 2), upbeat, repeat("backward"))
    assert rows(read([measure])) == [
        (0, 1, 60, "ni"), (1, 4, 0, ""), (4, 5, 60, "ni"), (5, 6, 0, ""),
        (6, 7, 64, "ma"), (7, 8, 65, "—"),
    ]  # fmt: skip
    assert rows(read([measure], verse=1))[1] == (1, 4, 0, "")
    # verse 1 alone has the upbeat
    measure = first(note("C4", 2, "ni", v2="ma"), note(None, 2), note("E4", 2, "hao"))
    assert rows(read([measure], verse=2)) == [(0, 1, 60, "ma"), (1, 3, 0, "")]
    # before the first syllable
    measure = first(note("C4", 2, v2="ni"), note("D4", 2, "a", v2="o"))
    assert rows(read([measure])) == [(0, 1, 0, ""), (1, 2, 62, "a")]
    assert not caplog.records


def test_a_vocalise_after_a_rest_sings_the_last_vowel(read, caplog):
    vocalise = note(None, 2) + note("E4", 2) + note("F4", 2)
    score = read([first(note("C4", 2, "hao"), vocalise, vocalise)])
    assert [n.phones for n in score.notes if not n.is_rest] == [("h", "ao"), *[("ao",)] * 4]
    assert [n.slur for n in score.notes] == [False, False, False, True, False, False, True]
    message = "note 2: 2 notes without a lyric after a rest, sung on the last vowel (ao)"
    assert message in caplog.text and len(caplog.records) == 1


def test_a_vocalise_before_any_syllable_sings_the_first_vowel(read):
    score = read([first(note("C4", 2), note(None, 2), note("D4", 2, "hao"))])
    assert [n.phones for n in score.notes] == [("ao",), ("SP",), ("h", "ao")]
    score = read([first(note("C4", 2, "Ah"), note(None, 2), note("D4", 2))], language="en")
    assert [n.phones for n in score.notes] == [("AA",), ("SP",), ("AA",)]


def test_refrain_is_written_once_and_verses_have_their_own_melismas(read):
    refrain = note("E4", 2, "ni") + note("F4", 2, "hao")
    measures = [first(note("C4", 2, "a", v2="o"), note("D4", 2, "e")), refrain]
    assert lyrics(read(measures)) == "aenihao"
    assert lyrics(read(measures, verse=2)) == "o—nihao"


@pytest.mark.parametrize(
    ("measure", "message"),
    [
        (note("C4", 2, "xyz"), "part Voice, measure 1, note 1.*'xyz'"),
        (note("C4", 0, "a"), "measure 1, note 1.*positive length"),
        (note("H4", 2, "a"), "step: 'H'"),
        (note("C4", "x", "a"), "duration: 'x'"),
        (note("C4", "1e999999999", "a"), "duration: '1e9"),
        (note("C4", -2, "a"), "duration: '-2'"),
        ('<sound tempo="fast"/>' + note("C4", 2, "a"), "tempo: 'fast'"),
        (note("C4", 2, "ni hao"), "2 syllables"),
        (note("C4", 2), "no part has lyrics"),
        ("<tempo/><length/>", "no part has lyrics"),
    ],
)
def test_mistakes(read, measure, message):
    with pytest.raises(UserError, match=message):
        read([DIVISIONS + measure])
