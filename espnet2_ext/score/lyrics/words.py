"""Lyrics that are written as words: one word over several notes, several words on one note."""

import re
import unicodedata
from collections.abc import Callable, Sequence

from espnet2_ext.errors import UserError
from espnet2_ext.score.lyrics.espeak_g2p import phonemes
from espnet2_ext.score.lyrics.syllable import Syllable

NEXT_SYLLABLE = "+"
"""Lyric of a note that sings the next syllable of the word before it."""

_APOSTROPHES, _HYPHENS, _TIES = "\u2019\u2018\u02bc`\u00b4", "\u2010\u2011\u00ad", "\u203f_"
_VARIANTS = str.maketrans(
    {c: to for chars, to in ((_APOSTROPHES, "'"), (_HYPHENS, "-"), (_TIES, " ")) for c in chars}
)
_PLAIN_HYPHENS = str.maketrans(dict.fromkeys(_HYPHENS, "-"))
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*'?|'[^\W\d_]+'?")
_TOKEN = re.compile(r"\+|'?[^\W\d_]+(?:['-]+[^\W\d_]+)*'?-?")

ReadWord = Callable[[Sequence[str]], list[Syllable | None]]
"""Parts of a word, one for each of its notes, to what these notes sing; None: they hold."""


def with_plain_hyphens(text: str) -> str:
    """Text in which every hyphen, the soft one too, is the ASCII one."""
    return text.translate(_PLAIN_HYPHENS)


def plain(text: str) -> str:
    """Composed letters, straight apostrophes, plain hyphens; spaces where words are tied."""
    text = unicodedata.normalize("NFKC", text.translate(_VARIANTS)).translate(_VARIANTS)
    return "".join(char for char in text if not unicodedata.combining(char))


def words_in(text: str) -> list[str]:
    """The words of a text in plain letters, with their apostrophes."""
    return _WORD.findall(text)


def split(text: str) -> list[str]:
    """One item per note: a word, or a part of one with the hyphen after it."""
    return [part for word in plain(text).split() for part in re.findall(r"[\w']+-?|\+", word)]


def check_letters(text: str, language: str, place: object) -> None:
    """Refuse digits and letters of other scripts.

    Args:
        text: Lyrics.
        language: Name of their language, for the error.
        place: Where they stand.

    Raises:
        UserError: naming the character.
    """
    for char in text:
        latin = char.isascii() or unicodedata.name(char, "").startswith("LATIN")
        if char.isdigit() or (char.isalpha() and not latin):
            raise UserError(place, f"{char!r} in {language} lyrics", "words in letters")


def spoken(text: str, voice: str, language: str, place: object) -> tuple[str, ...]:
    """What espeak-ng says, in IPA, an item per phoneme.

    Raises:
        UserError: espeak-ng is not there or does not work.
    """
    try:
        return phonemes(text, voice)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        found = f"{language} lyrics without espeak-ng ({error})"
        raise UserError(place, found, "it installed: pip install espeakng-loader") from None


def over_notes(lyrics: Sequence[str], read: ReadWord) -> list[list[Syllable]]:
    """Read lyrics of notes that belong together.

    Args:
        lyrics: One per note. A hyphen at the end says that the word goes on on the next note; `+`
            sings the word's next syllable.
        read: Reads a word.

    Returns:
        list[list[Syllable]]: Per note what it sings of each word; empty where it holds.
    """
    words: list[list[tuple[int, str]]] = []
    goes_on = False
    for index, lyric in enumerate(lyrics):
        for token in _TOKEN.findall(plain(lyric)):
            if words and (goes_on or token == NEXT_SYLLABLE):
                words[-1].append((index, token))
            else:
                words.append([(index, token)])
            goes_on = token.endswith("-")
    notes: list[list[Syllable]] = [[] for _ in lyrics]
    for word in words:
        sung = read([part for _, part in word])
        for (index, _), syllable in zip(word, sung, strict=True):
            if syllable is not None:
                notes[index].append(syllable)
    return notes
