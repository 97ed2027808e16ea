import pytest

from espnet2_ext.errors import UserError
from espnet2_ext.score.phones import (
    FINALS,
    INITIALS,
    PHONES,
    SYLLABLES,
    is_final,
    is_rest,
    lyrics_to_syllables,
    syllable_to_phones,
)


@pytest.mark.parametrize(
    ("pinyin", "phones"),
    [
        ("you", ("y", "ou")),
        ("yuan2", ("y", "van")),
        ("yue4", ("y", "ve")),
        ("yun", ("y", "vn")),
        ("yu", ("y", "v")),
        ("ye", ("y", "e")),
        ("wu", ("w", "u")),
        ("weng", ("w", "eng")),
        ("ju", ("j", "v")),
        ("qiong2", ("q", "iong")),
        ("xuan", ("x", "van")),
        ("zhi1", ("zh", "i")),
        ("si", ("s", "i")),
        ("nv3", ("n", "v")),
        ("nü3", ("n", "v")),
        ("lu:e4", ("l", "ve")),
        ("lue", ("l", "ve")),
        ("lüè", ("l", "ve")),
        ("luan", ("l", "uan")),
        ("lun", ("l", "un")),
        ("bo", ("b", "o")),
        ("er", ("er",)),
        ("Ai4", ("ai",)),
        ("zhuang5", ("zh", "uang")),
    ],
)
def test_syllable_to_phones(pinyin, phones):
    assert syllable_to_phones(pinyin) == phones


def test_every_phone_occurs_and_every_syllable_is_in_the_inventory():
    assert {phone for phones in SYLLABLES.values() for phone in phones} == set(INITIALS + FINALS)
    assert len(set(PHONES)) == len(PHONES) == 60
    for phones in SYLLABLES.values():
        assert is_final(phones[-1]) and all(phone in INITIALS for phone in phones[:-1])


def test_every_reading_of_a_common_hanzi_has_phones():
    from pypinyin import Style, pinyin

    for code in range(0x4E00, 0x9FA6):
        for reading in pinyin(chr(code), style=Style.NORMAL, heteronym=True)[0]:
            if reading.isascii() and reading != "m":  # others have no Mandarin reading
                syllable_to_phones(reading)


@pytest.mark.parametrize("pinyin", ["", "hello", "xk", "bv", "ya ya", "3", "jo"])
def test_unknown_syllable_is_named(pinyin):
    with pytest.raises(UserError, match=f"'{pinyin}'"):
        syllable_to_phones(pinyin)


def test_rest_and_final():
    assert is_rest("SP") and is_rest("AP") and not is_rest("a")
    assert is_final("van") and not is_final("w") and not is_final("SP")


@pytest.mark.parametrize(
    ("text", "syllables"),
    [
        ("ni3 hao3, shi4jie4", None),
        ("ni hao", ["ni", "hao"]),
        ("你好,世界!", ["ni", "hao", "shi", "jie"]),
        ("银行行走", ["yin", "hang", "xing", "zou"]),
        ("音乐快乐", ["yin", "yue", "kuai", "le"]),
        ("绿 lü4 女 nu:3", ["lv", "lv", "nv", "nv"]),
        ("", []),
    ],
)
def test_lyrics_to_syllables(text, syllables):
    if syllables is None:
        with pytest.raises(UserError, match="shi4jie4"):
            lyrics_to_syllables(text)
    else:
        assert lyrics_to_syllables(text) == syllables
