"""German and French words: their phones, and how they are divided over notes."""

import re
import unicodedata
from pathlib import Path

import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.assemble import SungNote, assemble, split_lyrics
from espnet2_ext.score.lyrics import espeak_g2p
from espnet2_ext.score.lyrics.languages import LANGUAGES, language_of


def said(code, text):
    syllables = language_of(code).read(text, "t")
    return " ".join(p.removeprefix(f"{code}:") for s in syllables for p in s.phones)


def over_notes(code, lyrics):
    """Phones of each note, by `|`; ~ marks those that hold the one before."""
    sung = [
        SungNote(i, i + 1, 60, None if lyric == "~" else lyric, f"note {i + 1}")
        for i, lyric in enumerate(lyrics.split())
    ]
    return "|".join(
        " ".join(p.removeprefix(f"{code}:") for p in note.phones) + ("~" if note.slur else "")
        for note in assemble(sung, "song", 120, code).notes
    )


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("Liebe", "l iː b ə"),
        ("Lieb'", "l iː p"),  # voiceless at the end
        ("Tag", "t aː k"),
        ("und", "ʊ n t"),
        ("lebt", "l eː p t"),
        ("lieblich", "l iː p l ɪ ç"),
        ("Mädchen", "m ɛː t ç ə n"),
        ("ich", "ɪ ç"),
        ("ach", "a x"),
        ("durch", "d ʊ ʁ ç"),
        ("ewig", "eː v ɪ ç"),
        ("ewige", "eː v ɪ ɡ ə"),
        ("spielen", "ʃ p iː l ə n"),
        ("Straße", "ʃ t ʁ aː s ə"),
        ("Herz", "h ɛ ʁ ts"),
        ("Pferd", "pf eː ʁ t"),
        ("Kopf", "k ɔ pf"),
        ("deutsch", "d ɔʏ tʃ"),
        ("entschlafen", "ɛ n t ʃ l aː f ə n"),
        ("Quelle", "k v ɛ l ə"),
        ("Vater", "f aː t ɐ"),
        ("Bäume", "b ɔʏ m ə"),
        ("schönen", "ʃ øː n ə n"),
        ("müde", "m yː d ə"),
        ("Küsse", "k ʏ s ə"),
        ("Auge", "aw ɡ ə"),
        ("sah's", "z aː s"),
        ("Röslein", "ʁ øː s l aj n"),
        ("Knäblein", "k n ɛː p l aj n"),
        ("Blume", "b l uː m ə"),
        ("hört", "h øː ʁ t"),
        ("der", "d eː ʁ"),
        ("Abendstern", "aː b ə n t ʃ t ɛ ʁ n"),
        ("Sonnenstrahl", "z ɔ n ə n ʃ t ʁ aː l"),
        ("Fenster", "f ɛ n s t ɐ"),
        ("erste", "eː ʁ s t ə"),
        ("höchste", "h øː ç s t ə"),
        ("Fuß", "f uː s"),
        ("Kuß", "k ʊ s"),  # the spelling before 1996
        ("gewiß", "ɡ ə v ɪ s"),
        ("Thränen", "t ʁ ɛː n ə n"),  # and before 1901
        ("Thal", "t aː l"),
        ("Ä", "ɛː"),
        ("O", "oː"),
        ("Ach!", "a x"),
        ("hm", "h m"),
        ("'s", "s"),
    ],
)
def test_german_words(word, phones):
    assert said("de", word) == phones


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("belle", "b ɛ l"),
        ("amour", "a m u ʁ"),
        ("l'amour", "l a m u ʁ"),
        ("qu'il", "k i l"),
        ("l'", "l"),
        ("qu'", "k"),
        ("nuit", "n ɥ i"),
        ("pluie", "p l ɥ i"),
        ("cruel", "k ʁ y ɛ l"),
        ("voix", "v w a"),
        ("ciel", "s j ɛ l"),
        ("yeux", "j ø"),
        ("cœur", "k œ ʁ"),
        ("coeur", "k œ ʁ"),
        ("chanter", "ʃ ɑ̃ t e"),
        ("printemps", "p ʁ ɛ̃ t ɑ̃"),
        ("mon", "m ɔ̃"),
        ("parfum", "p a ʁ f œ̃"),
        ("agneau", "a ɲ o"),
        ("montagne", "m ɔ̃ t a ɲ"),
        ("rose", "ʁ o z"),
        ("femme", "f a m"),
        ("fils", "f i s"),
        ("réveil", "ʁ e v ɛ j"),
        ("parlent", "p a ʁ l"),
        ("souvent", "s u v ɑ̃"),
        ("hélas", "e l a s"),
        ("âme", "ɑ m"),
        ("aujourd'hui", "o ʒ u ʁ d ɥ i"),
        ("toi-même", "t w a m ɛ m"),
        ("où", "u"),
        ("ô", "o"),
    ],
)
def test_french_words(word, phones):
    assert said("fr", word) == phones


@pytest.mark.parametrize(
    ("lyrics", "phones"),
    [
        ("Lie- be", "l iː|b ə"),
        ("Schmet- ter- ling", "ʃ m ɛ|t ɐ|l ɪ ŋ"),
        ("Her- ze", "h ɛ ʁ|ts ə"),
        ("sin- gen", "z ɪ ŋ|ə n"),
        ("Kat- ze", "k a|ts ə"),
        ("He- xe", "h ɛ k|s ə"),
        ("Ap- fel", "a|pf ə l"),
        ("Men- schen", "m ɛ n|ʃ ə n"),
        ("Häus- chen", "h ɔʏ s|ç ə n"),
        ("auf- er- stehn", "aw f|ɛ ʁ|ʃ t eː n"),
        ("Mond- nacht", "m ɔ n t|n a x t"),
        ("gold- ne", "ɡ ɔ l d|n ə"),
        ("ew'- ge", "eː v|ɡ ə"),
        ("Na- ti- on", "n a|ts iː|oː n"),  # a glide with a note of its own
        ("Ma- ri- e", "m a|ʁ iː|ə"),
        ("Ja- a- a", "j aː|aː|aː"),
        ("Feu- er", "f ɔʏ|ɐ"),
        ("Li- lie", "l iː|l ɪ ə"),  # two vowels on a note
        ("Lie- ~ be", "l iː|iː~|b ə"),
        ("Nacht ~ ~", "n a|a~|a x t~"),
        ("Liebe + ich", "l iː|b ə|ɪ ç"),
        ("Schmetterling +", "ʃ m ɛ|t ɐ l ɪ ŋ"),  # the last note sings the rest
        ("Liebe + +", "l iː|b ə|ə~"),
        ("ich_bin", "ɪ ç b ɪ n"),
        ("ich‿bin", "ɪ ç b ɪ n"),
        ("so_hel- le", "z oː h ɛ|l ə"),  # a word before the one that goes on
        ("hel- le_Nacht", "h ɛ|l ə n a x t"),
        ("LIE- BE", "l iː|b ə"),
        ("hel‐ le", "h ɛ|l ə"),  # a hyphen that is no minus
        ("„Ach!“ - o,", "a|a x~|oː"),
    ],
)
def test_german_over_notes(lyrics, phones):
    assert over_notes("de", lyrics) == phones


@pytest.mark.parametrize(
    ("lyrics", "phones"),
    [
        ("bel- le", "b ɛ|l ə"),  # the mute e is sung on its own note
        ("belle", "b ɛ l"),
        ("belle +", "b ɛ l|ə"),
        ("dou- ce- ment", "d u|s ə|m ɑ̃"),
        ("re- ve- nir", "ʁ ə|v ə|n i ʁ"),
        ("fil- le", "f i|j ə"),
        ("peu- ple", "p ø|p l ə"),
        ("lon- gue", "l ɔ̃|ɡ ə"),
        ("joi- e", "ʒ w a|ə"),
        ("par- lent", "p a ʁ|l ə"),
        ("mo- ment", "m o|m ɑ̃"),
        ("l'a- mour", "l a|m u ʁ"),
        ("vi- o- lons", "v i|o|l ɔ̃"),
        ("nu- a- ge", "n y|a|ʒ ə"),
        ("sci- en- ce", "s i|ɑ̃|s ə"),
        ("N’est- ce pas", "n ɛ|s ə|p a"),
        ("vois- tu", "v w a|t y"),
        ("ver- tu", "v ɛ ʁ|t y"),
        ("el- le_est", "ɛ|l ɛ"),  # elided before the vowel on its note
        ("d'une", "d y n"),
        ("les z'a- mours", "l e|z a|m u ʁ"),  # a liaison that is written
    ],
)
def test_french_over_notes(lyrics, phones):
    assert over_notes("fr", lyrics) == phones


def test_several_words_on_the_note_where_an_english_word_begins():
    assert over_notes("en", "oh_hel- lo_you") == "OW HH AH|L OW Y UW"


@pytest.mark.parametrize(("code", "word"), [("de", "blühn du"), ("fr", "rêvé où"), ("de", "ä")])
def test_letters_may_be_composed_or_not(code, word):
    apart = unicodedata.normalize("NFD", word)
    assert apart != word and over_notes(code, apart) == over_notes(code, word)
    assert over_notes("ja", unicodedata.normalize("NFD", "が")) == "g a"
    assert over_notes("zh", unicodedata.normalize("NFD", "lü")) == "l v"


TEXT = {
    "de": "Im wunderschönen Monat Mai, als alle Knospen sprangen, da ist in meinem Herzen die "
    "Liebe aufgegangen. Sah ein Knab ein Röslein stehn, war so jung und morgenschön; am Brunnen "
    "vor dem Thore, da steht ein Lindenbaum. Über allen Gipfeln ist Ruh. Jazz Computer Champagner "
    "Genie Restaurant Orange Weekend Whisky Psalm Xylophon Yacht Café naïve garçon ſtill ẞ œ å",
    "fr": "Les sanglots longs des violons de l'automne blessent mon cœur d'une langueur monotone. "
    "Votre âme est un paysage choisi que vont charmant masques et bergamasques, jouant du luth et "
    "dansant et quasi tristes. Week-end jazz Wagner Schubert whisky naïf Noël août å ü ñ",
}


@pytest.mark.parametrize("code", TEXT)
def test_every_phone_is_in_the_set(code):
    phones = [phone for s in language_of(code).read(TEXT[code]) for phone in s.phones]
    assert set(phones) <= set(LANGUAGES[code].phones)
    assert all(phone.startswith(f"{code}:") for phone in phones)


@pytest.mark.parametrize(
    ("code", "text", "message"),
    [
        ("de", "3", "note 2: '3' in German lyrics .expected words in letters"),
        ("de", "爱", "note 2: '爱' in German lyrics .*or --lang zh"),
        ("fr", "мир", "note 2: 'м' in French lyrics"),
        ("fr", "x" * 101, "note 2: a word of 101 letters .expected at most 100"),
    ],
)
def test_what_is_no_word_is_named(code, text, message):
    with pytest.raises(UserError, match=message):
        over_notes(code, f"la {text}")


@pytest.mark.parametrize("code", ["de", "fr", "en"])
@pytest.mark.parametrize("error", [ImportError, OSError, RuntimeError])
def test_without_espeak_one_line_says_how_to_install_it(monkeypatch, code, error):
    def missing():
        raise error("no library")

    monkeypatch.setattr(espeak_g2p, "_library", missing)
    espeak_g2p.phonemes.cache_clear()
    with pytest.raises(UserError, match="lyrics without espeak-ng.*pip install espeakng-loader"):
        over_notes(code, "la")


def test_lyrics_beside_a_file_keep_their_capitals():
    assert split_lyrics("Lie-be, so - l’amour", "de") == ["Lie-", "be", "so", "-", "l'amour"]


@pytest.mark.parametrize("code", ["de", "fr"])
def test_the_page_lists_the_phones(code):
    page = (Path(__file__).parents[3] / "docs/scores.md").read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if re.match(rf"\| `{code}` \| `a ", line))
    listed = [
        f"{code}:{phone}" for cell in re.findall("`([^`]+)`", row)[1:] for phone in cell.split()
    ]
    assert listed == list(LANGUAGES[code].phones)
    language = LANGUAGES[code]
    counts = (
        f"{len(language.carriers)} vowels and {len(listed) - len(language.carriers)} consonants"
    )
    assert counts in page
