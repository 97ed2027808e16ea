import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.assemble import SungNote, assemble, split_lyrics
from espnet2_ext.score.lyrics.languages import LANGUAGES, is_vowel, language_of, nucleus_of
from espnet2_ext.score.music_score import REST_PHONES


def phones(code, text):
    return [" ".join(s.phones) for s in language_of(code).read(text, "t")]


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("zh", "银行行走", "y in|h ang|x ing|z ou"),
        ("zh", "nǐ hao3", "n i|h ao"),
        ("yue", "hoeng1 gong2", "h oeng|g ong"),
        ("yue", "香港，m4goi1", "h oeng|g ong|m|g oi"),
        ("yue", "銀行行走", "ng an|h ong|h ang|z au"),
        ("ja", "さくら", "s a|k u|r a"),
        ("ja", "サクラ", "s a|k u|r a"),
        ("ja", "ｶﾞﾂ", "g a|ts u"),
        ("ja", "きって", "k i|cl|t e"),
        ("ja", "らーめん", "r a|a|m e|N"),
        ("ja", "きょうシャツ", "ky o|u|sh a|ts u"),
        ("ja", "ティふぁヴィねぇ", "t i|f a|v i|n e|e"),
        ("ja", "konnichiwa", "k o|N|n i|ch i|w a"),
        ("ja", "hon'ya kekkon matcha", "h o|N|y a|k e|cl|k o|N|m a|cl|ch a"),
        ("ja", "kyōto shimbun", "ky o|o|t o|sh i|N|b u|N"),
        ("ja", "si tu hu zyo", "sh i|ts u|f u|j o"),
        ("en", "hello", "HH AH|L OW"),
        ("en", "DON’T", "D OW N T"),
        ("en", "strength", "S T R EH NG TH"),
        ("en", "a-ma-zing", "AH|M EY|Z IH NG"),
        ("en", "butterfly", "B AH|T ER|F L AY"),
        ("en", "lovin' hmm", "L AH|V IH N|HH M"),
        ("en", "café", "K AE|F EY"),
        ("en", "zorblax", "Z AO R|B L AE K S"),  # no dictionary has it
    ],
)
def test_reading(code, text, expected):
    assert phones(code, text) == expected.split("|")


@pytest.mark.parametrize(
    ("code", "text", "message"),
    [
        ("zh", "baby", "t: no phones for the syllable 'baby'"),
        ("yue", "xyz", "t: no phones for the syllable 'xyz'"),
        ("yue", "さ", "t: no phones for the syllable 'さ'"),
        ("ja", "漢字", "t: '漢' in Japanese lyrics .expected kana or romaji"),
        ("ja", "ー", "t: ー without a vowel before it"),
        ("ja", "hello", "t: no phones for 'llo' of 'hello'"),
        ("ja", "しゃゃ", "t: no phones for 'ゃ'"),
        ("ja", "3", "t: '3' in Japanese lyrics"),
        ("en", "3rd", "t: '3' in English lyrics .expected words in letters"),
        ("en", "爱", "t: '爱' in English lyrics"),
        ("en", "мир", "t: 'м' in English lyrics"),
        ("zh", "か", "expected a pinyin syllable, or --lang ja.$"),
        ("zh", "ﾄﾗ", "or --lang ja.$"),
        ("yue", "さ", "or --lang ja.$"),
        ("en", "爱人", "in letters, or --lang zh; the lyric is '爱人'.$"),
        ("ja", "漢字", "kana or romaji; the lyric is '漢字'.$"),
        ("ja", "zorc c4", "no phones for 'rc' of 'zorc'.*; the lyric is 'zorc c4'"),
    ],
)
def test_what_cannot_be_sung_is_named(code, text, message):
    with pytest.raises(UserError, match=message):
        language_of(code).read(text, "t")


def test_unknown_language():
    with pytest.raises(
        UserError, match="a.mid: language: lyrics in 'tlh' .expected zh, yue, ja, en, de, fr"
    ):
        language_of("tlh", "a.mid")


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=LANGUAGES)
def test_phone_sets(language):
    assert len(set(language.phones)) == len(language.phones)
    assert language.carriers < set(language.phones)
    assert not set(language.phones) & set(REST_PHONES)
    assert not any("_" in phone for phone in language.phones)  # ESPnet joins phones by it


LETTERS = "aeiounkstyhmrgzbpx'’-+ 3éüñ你行銀香さっーんゃァヴ漢.,‿_\u3000\0APS~—:1２ｋﾊﾞ゛々Ⅳ"


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(LANGUAGES)),
    st.lists(st.none() | st.text(LETTERS, max_size=6), min_size=1, max_size=4),
)
def test_whatever_is_written_is_sung_or_refused(code, lyrics):
    sung = [SungNote(i, i + 1, 60, lyric, f"note {i}") for i, lyric in enumerate(lyrics)]
    try:
        score = assemble(sung, "song", 120, code)
    except UserError as error:
        assert str(error).startswith("note ")
        return
    phones = {phone for note in score.notes for phone in note.phones}
    assert phones <= {*LANGUAGES[code].phones, *REST_PHONES}
    assert len(score.notes) == len(lyrics) and all(note.phones for note in score.notes)


def notes(code, *lyrics):
    sung = [SungNote(i, i + 1, 60, lyric, f"note {i + 1}") for i, lyric in enumerate(lyrics)]
    return [
        " ".join(n.phones) + (" ~" if n.slur else "") for n in assemble(sung, "t", 120, code).notes
    ]


@pytest.mark.parametrize(
    ("code", "lyrics", "expected"),
    [
        ("en", ["hel-", "lo"], ["HH AH", "L OW"]),
        ("en", ["hel-", None, "lo,"], ["HH AH", "AH ~", "L OW"]),
        ("en", ["hello", "+", "don't"], ["HH AH", "L OW", "D OW N T"]),
        ("en", ["love", "-", None], ["L AH", "AH ~", "AH V ~"]),  # the last note closes it
        ("en", ["hello"], ["HH AH L OW"]),
        ("en", ["ev-", "er-", "y"], ["EH V", "R IY", "IY ~"]),  # fewer syllables than notes
        ("en", ["but-", "terfly"], ["B AH", "T ER F L AY"]),
        ("en", ["“Oh", "hel-"], ["OW", "HH EH L"]),  # a hyphen that nothing follows
        ("ja", ["さん", None], ["s a", "a N ~"]),
        ("ja", ["ka", "ー", "na"], ["k a", "a ~", "n a"]),
        ("ja", ["っ", "て"], ["cl", "t e"]),
        ("yue", ["銀", "行", None], ["ng an", "h ong", "ong ~"]),
        ("zh", ["ni-", "hao"], ["n i", "h ao"]),
    ],
)
def test_syllables_over_notes(code, lyrics, expected):
    assert notes(code, *lyrics) == expected


def test_mandarin_sings_one_syllable_a_note():
    with pytest.raises(UserError, match="note 2: 2 syllables 'ni hao' on one note"):
        notes("zh", "wo", "ni hao")


def test_a_lyric_that_cannot_be_read_names_its_note():
    with pytest.raises(UserError, match="note 2: '2' in English"):
        notes("en", "one", "2")
    with pytest.raises(UserError, match="note 3: no phones for the syllable '㐂'"):
        notes("zh", "我", "爱", "㐂")


@pytest.mark.parametrize(
    ("code", "text", "items"),
    [
        ("zh", "你们-hao3, men", "你 们 hao3 men"),
        ("zh", "你 - hao3 lu:e4", "你 - hao3 lu:e4"),
        ("yue", "香港 m4", "香 港 m4"),
        ("ja", "きゃっとラー - sa kura", "きゃ っ と ラ ー - sa kura"),
        ("en", "Hel-lo, world - don’t", "hel- lo world - don't"),
    ],
)
def test_lyrics_beside_a_file(code, text, items):
    assert split_lyrics(text, code) == items.split()


@pytest.mark.parametrize(
    ("phones", "code", "index"),
    [
        ("zh ang", "zh", 1),
        ("L AH V", "en", 1),
        ("j iou", "zh", 1),  # a corpus' own phones
        ("ko:k ko:ʌː ko:p̚", "ko", 1),
        ("ja:k ja:j", "ja", 1),  # no vowel: the last
        ("ja:k ja:a ja:s", "ja", 1),
        ("SP", "ru", 0),
    ],
)
def test_the_nucleus_is_found_in_any_language(phones, code, index):
    assert nucleus_of(phones.split(), code) == index


def test_vowels_of_any_language():
    assert [is_vowel(p, "zh") for p in ("v", "m", "SP", "iou")] == [True, False, False, True]
    assert [is_vowel(p, "ja") for p in ("v", "o", "ja:k")] == [False, True, False]
    assert is_vowel("ko:ʌː", "ko") and not is_vowel("ko:k", "ko")


def test_marks_of_voicing_that_stand_alone():
    from espnet2_ext.score.lyrics import japanese

    for lyric in ("う゛", "ゔ", "ｳﾞ", "か゛", "は゜"):
        (mora,) = japanese.read(lyric, "t")
        assert mora.phones == {"か゛": ("g", "a"), "は゜": ("p", "a")}.get(lyric, ("v", "u"))
        assert len(japanese.split(lyric)) == 1
