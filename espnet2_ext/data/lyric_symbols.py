"""Lyrics as symbols that a model attends to: phones of Mandarin and English, and who sings them.

A text such as ``[S0] hello there [S1] 你好`` becomes the tag of a speaker and the phones of what
follows, up to the next tag. Opencpop's phones are lower case and ARPAbet's upper: none is in both.
"""

import re
from collections.abc import Iterable

from espnet2_ext.errors import UserError
from espnet2_ext.score import phones as mandarin
from espnet2_ext.score.lyrics import english

SPEAKERS = ("[S0]", "[S1]")
LYRIC_SYMBOLS = (*SPEAKERS, *mandarin.PHONES, *english.PHONES)
"""By their ids, which trained models rely on: new ones go to the end."""

_IDS = {symbol: number for number, symbol in enumerate(LYRIC_SYMBOLS)}
_TAG = re.compile(r"(\[S\d+\])")
_HAN = re.compile(r"([\u3400-\u9fff]+)")


def lyric_symbols(text: str, place: str = "lyrics") -> list[str]:
    """Tags and phones of a text; without a tag at its beginning it is the first speaker's.

    Args:
        text: In Mandarin, English or both, with tags.
        place: Of the text, for errors.

    Raises:
        UserError: an unknown tag, a word that cannot be read, or nothing to sing.
    """
    found, phones = [], 0
    for part in _TAG.split(text):
        if not part.strip():
            continue
        if _TAG.fullmatch(part):
            if part not in SPEAKERS:
                raise UserError(place, part, f"one of {', '.join(SPEAKERS)}", "tag")
            found.append(part)
            continue
        read = _phones(part, place)
        phones += len(read)
        found += read if found else [SPEAKERS[0], *read]
    if not phones:
        raise UserError(place, f"{text!r}", "something to sing", "lyrics")
    return found


def lyric_ids(symbols: Iterable[str], place: str = "lyrics") -> list[int]:
    """The ids of symbols.

    Raises:
        UserError: a symbol is none of `LYRIC_SYMBOLS`.
    """
    ids = []
    for symbol in symbols:
        if symbol not in _IDS:
            raise UserError(
                place, f"{symbol!r}", "a tag, or a phone of Mandarin or English", "phone"
            )
        ids.append(_IDS[symbol])
    return ids


def _phones(text: str, place: str) -> list[str]:
    """Phones of a text in either language; what is written in Han characters is Mandarin."""
    from espnet2_ext.score.lyrics.languages import LANGUAGES

    found = []
    for part in _HAN.split(text):
        if any(c.isalpha() for c in part):
            language = LANGUAGES["zh" if _HAN.fullmatch(part) else "en"]
            found += [phone for s in language.read(part, place) for phone in s.phones]
    return found
