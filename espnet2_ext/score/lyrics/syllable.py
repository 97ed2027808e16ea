"""What a language's reader makes of lyrics: syllables with their phones."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Syllable:
    """A syllable to be sung.

    Args:
        text: What it was read as: pinyin, jyutping, a mora in romaji, an English word.
        phones: Its phones.
        nucleus: Index in `phones` of the vowel that carries the pitch; phones after it are the
            coda.
    """

    text: str
    phones: tuple[str, ...]
    nucleus: int
