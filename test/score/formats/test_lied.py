"""A German song in MusicXML, as the OpenScore Lieder corpus writes them, up to what sings it.

The words are Heine's (Dichterliebe) and Goethe's (Heidenröslein).
"""

import pytest

from espnet2_ext.bin import lint as lint_bin
from espnet2_ext.errors import UserError
from espnet2_ext.inference.pack_about import PackAbout
from espnet2_ext.score.formats.musicxml import read_musicxml
from espnet2_ext.score.lyrics.languages import LANGUAGES
from espnet2_ext.score.phones import PHONES

from .xml_document import document, first, note, repeat

VERSES = (
    "1._Im wun- der- schö- nen ~ Mo- nat Mai, als al- le Knos- pen spran- gen",
    "2._Sah ein Knab' ein ~ Rös- lein stehn, Rös- lein auf der Hei- den, so jung",
)
SUNG = (
    "ɪ m|v ʊ n|d ɐ|ʃ øː|n ə|ə n~|m oː|n a t|m aj|a l s|a|l ə|k n ɔ s|p ə n|ʃ p ʁ a ŋ|ə n",
    "z aː|aj n|k n aː p|aj|aj n~|ʁ øː s|l aj n|ʃ t eː n|ʁ øː s|l aj n|aw f|d eː ʁ|h aj|d ə n|"
    "z oː|j ʊ ŋ",
)


def lyric(text, verse, inside, code):
    """A lyric element with its `syllabic`; "_" is a space."""
    goes_on = text.endswith("-")
    kind = {(0, 0): "single", (0, 1): "begin", (1, 1): "middle", (1, 0): "end"}[inside, goes_on]
    text = text.removesuffix("-").replace("_", " ")
    return (
        f'<lyric number="{verse}"><syllabic>{kind}</syllabic>'
        f'<text xml:lang="{code}">{text}</text></lyric>'
    )


def song(*verses, code="de"):
    """Verses on the notes of one repeated measure; ~ is a melisma."""
    lines = [verse.split() for verse in verses]
    notes = []
    for column in range(max(map(len, lines))):
        words = ""
        for verse, line in enumerate(lines, 1):
            if column < len(line) and line[column] != "~":
                before = [text for text in line[:column] if text != "~"]
                inside = bool(before) and before[-1].endswith("-")
                words += lyric(line[column], verse, inside, code)
        notes.append(note("CDEFGAB"[column % 7] + "4").replace("</note>", f"{words}</note>"))
    body = first(*notes)
    return document([body + repeat("backward") if len(lines) > 1 else body])


def phones(score, code="de"):
    return "|".join(
        " ".join(p.removeprefix(f"{code}:") for p in note.phones) + ("~" if note.slur else "")
        for note in score.notes
    )


@pytest.fixture
def lied(tmp_path):
    path = tmp_path / "lied.musicxml"
    path.write_text(song(*VERSES))
    return path


def test_both_verses_of_a_lied(lied):
    score = read_musicxml(lied)
    first_pass, second = phones(score).split("|")[:16], phones(score).split("|")[16:]
    assert "|".join(first_pass) == SUNG[0].replace("ʃ p ʁ a ŋ|ə n", "ʃ p ʁ a ŋ|ə n")
    assert "|".join(second) == SUNG[1]
    assert score.language == "de" and score.notes[0].lyric == "Im"
    assert phones(read_musicxml(lied, verse=2)).startswith(SUNG[1])


def test_its_phones_pass_the_linter(lied, capsys):
    with pytest.raises(SystemExit) as done:
        lint_bin.main([str(lied)])
    assert done.value.code in (0, None) and not capsys.readouterr().out


def test_a_pack_of_mandarin_refuses_it_in_one_line_and_one_of_german_sings_it(lied):
    singers = {"a": {"midi_range": [50, 80]}}
    score = read_musicxml(lied)
    mandarin = PackAbout.of({"languages": ["zh"], "singers": singers}, PHONES)
    expected = (
        r"song: note 1 \(Im\): phone 'de:ɪ', of lyrics in German \(de\) "
        r"\(expected a phone of the pack, which sings Mandarin \(zh\)\)"
    )
    with pytest.raises(UserError, match=expected):
        mandarin.prepare(score, "song", "a")
    # "la" is two phones in both: that of German is not taken for Mandarin's
    path = lied.with_name("la.musicxml")
    for code, name in (("de", "German"), ("fr", "French")):
        path.write_text(song("la la", code=code))
        with pytest.raises(UserError, match=rf"phone '{code}:l', of lyrics in {name}"):
            mandarin.prepare(read_musicxml(path), "song", "a")
    german = PackAbout.of(
        {"languages": ["de"], "singers": singers}, ["SP", *LANGUAGES["de"].phones]
    )
    assert german.prepare(score, "song", "a").notes == score.notes
    assert german.remarks(score, "a") == []


def test_german_du_is_not_mandarin_du(lied):
    """Marked German in the file, or by whoever reads it."""
    lied.write_text(song("du du"))
    assert phones(read_musicxml(lied)) == "d uː|d uː"
    lied.write_text(song("du du").replace(' xml:lang="de"', ""))
    assert phones(read_musicxml(lied, language="de")) == "d uː|d uː"
    assert phones(read_musicxml(lied, default_language="de")) == "d uː|d uː"


def test_french_words_with_the_hyphens_of_their_spelling(lied):
    lied.write_text(song("N'est- ce pas, bel- le a- mi- e?", code="fr"))
    assert phones(read_musicxml(lied), "fr") == "n ɛ|s ə|p a|b ɛ|l ə|a|m i|ə"


def test_another_language_on_some_notes_is_said(lied, caplog):
    lied.write_text(song("Sag a- dieu").replace('xml:lang="de">a', 'xml:lang="fr">a'))
    assert read_musicxml(lied).language == "de"
    assert "lied.musicxml: part Voice: lyrics in fr (1): read in de, as most are" in caplog.text
    caplog.clear()
    lied.write_text(song("Sag a- dieu"))
    read_musicxml(lied)
    assert "read in" not in caplog.text


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("A- ve", "la", "language: lyrics in 'la' .expected zh, yue, ja, en, de, fr"),
        ("7 Rös- lein", "de", "measure 1, note 1: '7' in German lyrics .expected words in letters"),
        ("Lie- б", "de", "measure 1, note 2: 'б' in German lyrics"),
    ],
)
def test_what_cannot_be_sung_is_one_line(lied, text, code, message):
    lied.write_text(song(text, code=code))
    with pytest.raises(UserError, match=message):
        read_musicxml(lied)
