"""The Opencpop phone inventory, and Mandarin syllables and lyrics in its terms."""

import re

from espnet2_ext.errors import UserError
from espnet2_ext.score.music_score import REST_PHONES

_INITIALS = "b p m f d t n l g k h j q x zh ch sh r z c s y w"
_FINALS = (
    "a ai an ang ao e ei en eng er i ia ian iang iao ie in ing iong iu o ong ou "
    "u ua uai uan uang ui un uo v van ve vn"
)
INITIALS = tuple(_INITIALS.split())
FINALS = tuple(_FINALS.split())
PHONES = REST_PHONES + INITIALS + FINALS

# What follows each initial in Mandarin, in Opencpop's spelling of the final (j v, not j u).
_FINALS_AFTER = {
    "": "a ai an ang ao e ei en eng er o ou",
    "b": "a ai an ang ao ei en eng i ian iang iao ie in ing o u",
    "p": "a ai an ang ao ei en eng i ian iao ie in ing o ou u",
    "m": "a ai an ang ao e ei en eng i ian iao ie in ing iu o ou u",
    "f": "a an ang ei en eng iao o ou u",
    "d": "a ai an ang ao e ei en eng i ia ian iao ie in ing iu ong ou u uan ui un uo",
    "t": "a ai an ang ao e ei eng i ian iao ie ing ong ou u uan ui un uo",
    "n": "a ai an ang ao e ei en eng i ia ian iang iao ie in ing iu ong ou u uan un uo v ve",
    "l": "a ai an ang ao e ei en eng i ia ian iang iao ie in ing iu o ong ou u uan un uo "
    "v van ve vn",
    "g": "a ai an ang ao e ei en eng ong ou u ua uai uan uang ui un uo",
    "k": "a ai an ang ao e ei en eng ong ou u ua uai uan uang ui un uo",
    "h": "a ai an ang ao e ei en eng ong ou u ua uai uan uang ui un uo",
    "j": "i ia ian iang iao ie in ing iong iu v van ve vn",
    "q": "i ia ian iang iao ie in ing iong iu v van ve vn",
    "x": "i ia ian iang iao ie in ing iong iu v van ve vn",
    "zh": "a ai an ang ao e ei en eng i ong ou u ua uai uan uang ui un uo",
    "ch": "a ai an ang ao e en eng i ong ou u ua uai uan uang ui un uo",
    "sh": "a ai an ang ao e ei en eng i ou u ua uai uan uang ui un uo",
    "r": "an ang ao e en eng i ong ou u ua uan ui un uo",
    "z": "a ai an ang ao e ei en eng i ong ou u uan ui un uo",
    "c": "a ai an ang ao e ei en eng i ong ou u uan ui un uo",
    "s": "a ai an ang ao e ei en eng i ong ou u uan ui un uo",
    "y": "a an ang ao e i in ing o ong ou v van ve vn",
    "w": "a ai an ang ei en eng o u",
}


def _spellings(initial: str, final: str) -> list[str]:
    if initial in ("j", "q", "x", "y") and final.startswith("v"):
        return [initial + "u" + final[1:], initial + final]
    if initial in ("n", "l") and final in ("ve", "van", "vn"):
        # lue is a common spelling of lüe; luan and lun are syllables of their own
        return [initial + final] + ([initial + "ue"] if final == "ve" else [])
    return [initial + final]


SYLLABLES: dict[str, tuple[str, ...]] = {
    spelling: tuple(phone for phone in (initial, final) if phone)
    for initial, finals in _FINALS_AFTER.items()
    for final in finals.split()
    for spelling in _spellings(initial, final)
}
# Interjections that pypinyin spells without a vowel, as a singer sings them.
SYLLABLES |= {"n": ("en",), "ng": ("en",), "ê": ("ei",), "hm": ("h", "en"), "hng": ("h", "eng")}

_TONES = {
    mark: base
    for base, marks in {
        "a": "āáǎà",
        "e": "ēéěè",
        "i": "īíǐì",
        "o": "ōóǒò",
        "u": "ūúǔù",
        "v": "ǖǘǚǜü",
        "n": "ńňǹ",
    }.items()
    for mark in marks
}
_HANZI = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_LONGEST_PHRASE = 8
_IS_HANZI = re.compile(f"[{_HANZI}]")
_TOKEN = re.compile(f"[{_HANZI}]+|[^\\W_{_HANZI}]+(?::[^\\W_{_HANZI}]*)?")


def is_final(phone: str) -> bool:
    """Whether `phone` is a final: the part of a syllable that carries its pitch."""
    return phone in FINALS


def is_rest(phone: str) -> bool:
    """Whether `phone` is silence (SP) or breath (AP)."""
    return phone in REST_PHONES


def is_hanzi(char: str) -> bool:
    """Whether a character is a Chinese one."""
    return _IS_HANZI.fullmatch(char) is not None


def normalize_syllable(pinyin: str) -> str:
    """Write a pinyin syllable in lower-case ASCII, ü as v, without its tone."""
    text = pinyin.strip().lower().replace("u:", "v")
    text = "".join(_TONES.get(char, char) for char in text)
    return re.sub(r"[0-5]$", "", text)


def syllable_to_phones(pinyin: str, place: object = "lyrics") -> tuple[str, ...]:
    """Split a pinyin syllable into its initial and final, as Opencpop writes them.

    Args:
        pinyin: With or without a tone digit or tone mark; ü, v and u: are the same.
        place: Where it was read, for the error.

    Returns:
        (initial, final), or (final,) for a syllable without an initial.

    Raises:
        UserError: naming a syllable that Mandarin does not have.
    """
    phones = SYLLABLES.get(normalize_syllable(pinyin))
    if phones is None:
        raise UserError(place, f"no phones for the syllable {pinyin!r}", "a pinyin syllable")
    return phones


def _read_hanzi(text: str) -> list[str]:
    """Pinyin of a run of hanzi; the longest phrases known to pypinyin settle the readings."""
    from pypinyin import Style, lazy_pinyin
    from pypinyin.constants import PHRASES_DICT

    # Not pypinyin's own segmenter: it drops a phrase that begins a longer one (银行行走).
    words, start = [], 0
    while start < len(text):
        ends = range(min(len(text), start + _LONGEST_PHRASE), start + 1, -1)
        end = next((e for e in ends if text[start:e] in PHRASES_DICT), start + 1)
        words.append(text[start:end])
        start = end
    return lazy_pinyin(words, style=Style.NORMAL)


def lyrics_to_syllables(text: str, place: object = "lyrics") -> list[str]:
    """Turn lyrics into toneless pinyin syllables, one per sung syllable.

    Hanzi are read by pypinyin, whose phrase dictionary picks among several readings; pinyin
    syllables stand apart by spaces, and may mix with hanzi. Punctuation is skipped.

    Raises:
        UserError: naming a word that is neither.
    """
    syllables: list[str] = []
    for token in _TOKEN.findall(text):
        for syllable in _read_hanzi(token) if _IS_HANZI.match(token) else [token]:
            syllable_to_phones(syllable, place)
            syllables.append(normalize_syllable(syllable))
    return syllables
