"""What songs of the embedded corpus are sung to: words of a language, in syllables with phones."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SungSyllable:
    """A syllable of a word.

    Args:
        unit: Name of the voice's unit that sings it.
        phones: Its phones.
        written: As the lyrics have it.
    """

    unit: str
    phones: tuple[str, ...]
    written: str


class SungWord(Protocol):
    """A word whose syllables are sung one on a note; words are compared and hashed."""

    @property
    def sung(self) -> tuple[SungSyllable, ...]: ...


@dataclass(frozen=True, slots=True)
class SpelledWord:
    """A word that is no more than its syllables."""

    sung: tuple[SungSyllable, ...]

    @property
    def text(self) -> str:
        """The word as its syllables are written, without hyphens between them."""
        return "".join(syllable.written for syllable in self.sung).replace("-", "")


def always_its_own(syllable: SungSyllable, before: str | None) -> str:
    """The unit of a syllable, whatever stands before it."""
    return syllable.unit


@dataclass(frozen=True)
class Lyrics:
    """The words of a language.

    Args:
        language: ISO 639 code.
        train: Words of training, development and test songs.
        held_out: Words of the `test_words` songs alone.
        unit_of: Syllable and the phone sung before it (None: a rest) to the name of a unit.
    """

    language: str
    train: tuple[SungWord, ...]
    held_out: tuple[SungWord, ...]
    unit_of: Callable[[SungSyllable, str | None], str] = always_its_own
