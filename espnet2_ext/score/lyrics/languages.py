"""The languages that can be sung: how each reads lyrics, and its phones.

Mandarin has Opencpop's initials and finals, Cantonese jyutping's onsets and rimes, Japanese the
phones of OpenJTalk, English ARPAbet without stress, German and French the Montreal aligner's IPA.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from espnet2_ext.errors import UserError
from espnet2_ext.score.lyrics import cantonese as lyrics_yue
from espnet2_ext.score.lyrics import english as lyrics_en
from espnet2_ext.score.lyrics import french as lyrics_fr
from espnet2_ext.score.lyrics import german as lyrics_de
from espnet2_ext.score.lyrics import ipa
from espnet2_ext.score.lyrics import japanese as lyrics_ja
from espnet2_ext.score.lyrics import mandarin as lyrics_zh
from espnet2_ext.score.lyrics.scripts import or_language
from espnet2_ext.score.lyrics.syllable import Syllable
from espnet2_ext.score.lyrics.words import split as split_words
from espnet2_ext.score.music_score import REST_PHONES

__all__ = [
    "LANGUAGES",
    "Language",
    "Syllable",
    "is_vowel",
    "language_of",
    "nucleus_of",
    "vowels_among",
]

_MAX_SHOWN = 80  # characters of a lyric


@dataclass(frozen=True)
class Language:
    """A language of lyrics.

    Args:
        code: ISO 639 code.
        name: In English.
        phones: Its phones, without SP and AP.
        carriers: Those that can carry the pitch of a note.
        reader: Text and its place to syllables.
        splitter: Lyrics to one item per note.
        several_on_a_note: Whether a note may sing more than one syllable.
        over_notes: Lyrics of notes that belong together, and their place, to a syllable for each
            (None: it holds), where lyrics are words.
    """

    code: str
    name: str
    phones: tuple[str, ...]
    carriers: frozenset[str]
    reader: Callable[[str, object], list[Syllable]]
    splitter: Callable[[str], list[str]]
    several_on_a_note: bool = False
    over_notes: Callable[[Sequence[str], object], list[Syllable | None]] | None = None

    @property
    def hyphens(self) -> bool:
        """Whether lyrics are words: a hyphen at the end of one says that the word goes on."""
        return self.over_notes is not None

    def read(self, text: str, place: object = "lyrics") -> list[Syllable]:
        """Read lyrics.

        Raises:
            UserError: naming `place`, the word that cannot be read in its whole lyric and, where
                the script is another language's, that language.
        """
        try:
            return self.reader(text, place)
        except UserError as error:
            shown = repr(text[:_MAX_SHOWN])
            expected = or_language(error.expected, text, self.code)
            if shown not in error.found:
                expected += f"; the lyric is {shown}"
            raise UserError(error.place, error.found, expected, error.field) from None

    def nucleus(self, phones: Sequence[str]) -> int:
        """Index of the phone that carries the pitch: the last that can, or the last of all."""
        able = [index for index, phone in enumerate(phones) if phone in self.carriers]
        return able[-1] if able else len(phones) - 1


LANGUAGES: dict[str, Language] = {
    language.code: language
    for language in (
        Language(
            "zh",
            "Mandarin",
            lyrics_zh.PHONES,
            frozenset(lyrics_zh.FINALS),
            lyrics_zh.read,
            lyrics_zh.split,
        ),
        Language(
            "yue",
            "Cantonese",
            lyrics_yue.PHONES,
            frozenset(lyrics_yue.RIMES),
            lyrics_yue.read,
            lyrics_zh.split,
        ),
        Language(
            "ja",
            "Japanese",
            lyrics_ja.PHONES,
            frozenset(lyrics_ja.VOWELS),
            lyrics_ja.read,
            lyrics_ja.split,
            several_on_a_note=True,
        ),
        Language(
            "en",
            "English",
            lyrics_en.PHONES,
            frozenset(lyrics_en.VOWELS),
            lyrics_en.read,
            lyrics_en.split,
            several_on_a_note=True,
            over_notes=lyrics_en.over_notes,
        ),
        Language(
            "de",
            "German",
            lyrics_de.PHONES,
            frozenset(lyrics_de.VOWELS),
            lyrics_de.read,
            split_words,
            several_on_a_note=True,
            over_notes=lyrics_de.over_notes,
        ),
        Language(
            "fr",
            "French",
            lyrics_fr.PHONES,
            frozenset(lyrics_fr.VOWELS),
            lyrics_fr.read,
            split_words,
            several_on_a_note=True,
            over_notes=lyrics_fr.over_notes,
        ),
    )
}


def language_of(code: str, place: object = "lyrics") -> Language:
    """The language of an ISO 639 code; raises `UserError` for one that cannot be sung."""
    if code not in LANGUAGES:
        raise UserError(place, f"lyrics in {code!r}", ", ".join(LANGUAGES), "language")
    return LANGUAGES[code]


def is_vowel(phone: str, code: str) -> bool:
    """Whether a phone can carry a note, in any language: by IPA where it is not one of its own."""
    known = LANGUAGES.get(code)
    if known is not None and phone in known.phones:
        return phone in known.carriers
    return ipa.is_vowel(phone)


def vowels_among(phones: Sequence[str]) -> list[bool]:
    """Of each phone of a phone set whether it can carry a note.

    The languages are those whose phones are all there; Cantonese hums on an m that Mandarin has
    before vowels alone.
    """
    codes = [code for code, known in LANGUAGES.items() if set(known.phones) <= set(phones)]

    def can(phone: str) -> bool:
        known = [code for code in codes if phone in LANGUAGES[code].phones]
        return any(is_vowel(phone, code) for code in known or [""])

    return [phone not in REST_PHONES and can(phone) for phone in phones]


def nucleus_of(phones: Sequence[str], code: str) -> int:
    """Index of the phone that carries the pitch, in any language: by IPA where none is known."""
    known = LANGUAGES.get(code)
    if known is not None and known.carriers.intersection(phones):
        return known.nucleus(phones)
    able = [index for index, phone in enumerate(phones) if ipa.is_vowel(phone)]
    return able[-1] if able else len(phones) - 1
