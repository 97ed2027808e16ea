"""Japanese lyrics, in kana or romaji: the phones of OpenJTalk, mora by mora.

Kana are sung as written: the particles は and へ as ha and he, 王 (おう) as o u.
"""

import re
import unicodedata

from espnet2_ext.errors import UserError
from espnet2_ext.score.lyrics.syllable import Syllable

_CONSONANTS = "k ky kw g gy gw s sh z j t ty ch ts d dy n ny h hy b by p py f v m my y r ry w N cl"
VOWELS = tuple("aiueo")
CONSONANTS = tuple(_CONSONANTS.split())
PHONES = VOWELS + CONSONANTS

_ROWS = {
    "": "あいうえお",
    "k": "かきくけこ",
    "g": "がぎぐげご",
    "s": "さ_すせそ",
    "sh": "_し___",
    "z": "ざ_ずぜぞ",
    "j": "_じ___",
    "t": "た__てと",
    "ch": "_ち___",
    "ts": "__つ__",
    "d": "だ__でど",
    "n": "なにぬねの",
    "h": "はひ_へほ",
    "f": "__ふ__",
    "b": "ばびぶべぼ",
    "p": "ぱぴぷぺぽ",
    "m": "まみむめも",
    "y": "や_ゆ_よ",
    "r": "らりるれろ",
    "w": "わ____",
    "v": "__ゔ__",
}
_KANA: dict[str, tuple[str, ...]] = {
    kana: tuple(filter(None, (consonant, vowel)))
    for consonant, row in _ROWS.items()
    for kana, vowel in zip(row, "aiueo", strict=True)
    if kana != "_"
}
_KANA |= {"ぢ": ("j", "i"), "づ": ("z", "u"), "を": ("o",), "ゐ": ("i",), "ゑ": ("e",)}
_KANA |= {"ん": ("N",), "っ": ("cl",), "ゎ": ("w", "a")}
_SMALL = dict(zip("ぁぃぅぇぉゃゅょ", "aiueoauo", strict=True))
# What a kana's consonant becomes before a small ya, yu, yo, and before a small vowel.
_BEFORE_Y = {c: c + "y" for c in "kgnhbpmrtd"} | {"sh": "sh", "ch": "ch", "j": "j", "v": "by"}
_BEFORE_Y |= {"f": "hy"}
_BEFORE_VOWEL = {("", "u"): "w", ("", "i"): "y", ("k", "u"): "kw", ("g", "u"): "gw"}
_BEFORE_VOWEL |= {(c, "u"): c for c in ("f", "ts", "v", "s", "z")}
_BEFORE_VOWEL |= {(c, "i"): c for c in ("sh", "ch", "j")}
_BEFORE_VOWEL |= {(c, v): c for c in ("t", "d") for v in ("e", "o")}

_ROMAJI_CONSONANTS = {c: c for c in CONSONANTS if c not in ("N", "cl")}
_ROMAJI_CONSONANTS |= {"sy": "sh", "zy": "j", "jy": "j", "cy": "ch", "dz": "z", "c": "k", "l": "r"}
_ROMAJI_CONSONANTS |= {"ty": "ch", "dj": "j"}
_ROMAJI = {"si": "sh i", "ti": "ch i", "tu": "ts u", "hu": "f u", "zi": "j i", "di": "j i"}
_ROMAJI |= {"du": "z u", "wo": "o", "wi": "i", "we": "e"}
_VOICING = {0x309B: 0x3099, 0x309C: 0x309A}  # marks that stand alone, to those that combine
_MACRONS = {"ā": "aa", "ī": "ii", "ū": "uu", "ē": "ee", "ō": "oo"}
_MACRONS |= {"â": "aa", "î": "ii", "û": "uu", "ê": "ee", "ô": "oo"}
_MORA = re.compile(
    r"(?P<cl>(?P<c>[bcdfghjkprstvwyz])(?=(?P=c))|t(?=ch)|xtu|xtsu|cl\b)"
    r"|(?P<N>n'|nn(?![aiueoy])|n(?![aiueoy])|m(?=[bmp]))"
    r"|(?P<cv>[bcdfghjklmnpqrstvwxyz]{0,2}[aiueo])"
)
_KANA_MORA = re.compile("[ぁ-ゖ][ぁぃぅぇぉゃゅょ]?|ー")


def _hiragana(text: str) -> str:
    """NFKC (half-width kana, full-width Latin, う゛ as one), katakana as hiragana."""
    text = unicodedata.normalize("NFKC", text.translate(_VOICING))
    return "".join(chr(ord(c) - 0x60) if "ァ" <= c <= "ヶ" else c for c in text)


def _kana_mora(mora: str) -> list[tuple[str, ...]] | None:
    """Phones of a kana, with its small kana; two morae where that only lengthens (ねぇ)."""
    first, small = mora[0], mora[1:]
    if not small:
        alone = (_SMALL[first],) if first in "ぁぃぅぇぉ" else _KANA.get(first)
        return [alone] if alone else None
    phones, vowel = _KANA.get(first, ()), _SMALL[small]
    if not phones:
        return None
    consonant = phones[0] if len(phones) == 2 else ""
    if small in "ゃゅょ":
        before = _BEFORE_Y.get(consonant)
        return None if before is None or phones == ("cl",) else [(before, vowel)]
    before = _BEFORE_VOWEL.get((consonant, phones[-1]))
    if before is None or vowel == phones[-1]:
        return [phones, (vowel,)]
    return [(before, vowel)]


def _romaji_mora(mora: str) -> tuple[str, ...] | None:
    if mora in _ROMAJI:
        return tuple(_ROMAJI[mora].split())
    consonant, vowel = mora[:-1], mora[-1]
    if not consonant:
        return (vowel,)
    sound = _ROMAJI_CONSONANTS.get(consonant)
    return None if sound is None else (sound, vowel)


def _read_kana(run: str, place: object) -> list[tuple[str, ...]]:
    morae: list[tuple[str, ...]] = []
    for mora in _KANA_MORA.findall(run):
        if mora == "ー":
            if not morae or morae[-1][-1] not in VOWELS:
                raise UserError(place, f"ー without a vowel before it in {run!r}", "a kana first")
            morae.append((morae[-1][-1],))
            continue
        read_mora = _kana_mora(mora)
        if read_mora is None:
            raise UserError(place, f"no phones for {mora!r}", "kana or romaji")
        morae += read_mora
    return morae


def _read_romaji(run: str, place: object) -> list[tuple[str, ...]]:
    morae: list[tuple[str, ...]] = []
    position = 0
    while position < len(run):
        match = _MORA.match(run, position)
        phones = None
        if match:
            kinds = {"cl": ("cl",), "N": ("N",)}
            phones = kinds.get(match.lastgroup or "") or _romaji_mora(match[0])
        if not match or phones is None:
            raise UserError(place, f"no phones for {run[position:]!r} of {run!r}", "romaji or kana")
        morae.append(phones)
        position = match.end()
    return morae


def read(text: str, place: object) -> list[Syllable]:
    """Morae of kana or romaji (Hepburn or Kunrei).

    Raises:
        UserError: naming what is neither; kanji have to be written in kana.
    """
    morae: list[tuple[str, ...]] = []
    text = _hiragana(text).lower()
    text = "".join(_MACRONS.get(char, char) for char in text)
    for token in re.findall(r"[ぁ-ゖー]+|[a-z][a-z']*|[^\W_]", text):
        if re.match("[ぁ-ゖー]", token):
            morae += _read_kana(token, place)
        elif re.match("[a-z]", token):
            morae += _read_romaji(token.rstrip("'"), place)
        else:
            raise UserError(place, f"{token!r} in Japanese lyrics", "kana or romaji")
    return [Syllable("".join(phones), phones, len(phones) - 1) for phones in morae]


def split(text: str) -> list[str]:
    """One item per note: a mora of kana, or a word of romaji."""
    text = unicodedata.normalize("NFKC", text.translate(_VOICING))
    small = "ぁぃぅぇぉゃゅょァィゥェォャュョ"
    return re.findall(
        f"[ぁ-ゖァ-ヶ][{small}]?|[^\\s\\Wぁ-ゖァ-ヶー_][^\\s\\W_ぁ-ゖァ-ヶー]*|ー", text
    )
