"""Mandarin lyrics, in hanzi or pinyin, as syllables."""

from espnet2_ext.score.lyrics.syllable import Syllable
from espnet2_ext.score.phones import (
    FINALS,
    INITIALS,
    is_hanzi,
    lyrics_to_syllables,
    syllable_to_phones,
)

PHONES = INITIALS + FINALS


def read(text: str, place: object) -> list[Syllable]:
    """Pinyin syllables of hanzi or pinyin; hanzi of one text settle each other's readings."""
    syllables = []
    for pinyin in lyrics_to_syllables(text, place):
        phones = syllable_to_phones(pinyin, place)
        syllables.append(Syllable(pinyin, phones, len(phones) - 1))
    return syllables


def split(text: str) -> list[str]:
    """One item per note: a hanzi, or a romanised syllable."""
    items: list[str] = []
    run = ""
    for char in text + " ":
        if (char.isalnum() and not is_hanzi(char)) or char == ":":
            run += char
            continue
        items += [run] if run else []
        items += [char] if is_hanzi(char) else []
        run = ""
    return items
