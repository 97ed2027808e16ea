"""Words in IPA, read by espeak-ng and divided over their notes as they are written.

A word is read whole, so that its parts sound as they do within it; each part between hyphens then
sings the phones that its letters stand for. Phones are behind the code of their language
(``de:aː``), as in GTSinger's data directories, so that no other language's model takes them for
its own.
"""

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from espnet2_ext.errors import UserError
from espnet2_ext.score.lyrics.ipa import of_language
from espnet2_ext.score.lyrics.spelling import Spelling, is_vowel_letter, plain_letter
from espnet2_ext.score.lyrics.syllable import Syllable
from espnet2_ext.score.lyrics.words import (
    check_letters,
    over_notes,
    plain,
    spoken,
    words_in,
)

SCHWA = "ə"
_LIQUIDS = frozenset("ʁljwɥ")
_OBSTRUENTS = frozenset("bdfkpstvzɡʃʒ")
_SILENT_U = re.compile("(?<=[qg])u(?=[eiyéèê'])")
_MAX_LETTERS = 100


@dataclass(frozen=True)
class IpaWords:
    """A language whose words espeak-ng reads.

    Args:
        code: ISO 639 code.
        name: In English.
        voice: espeak-ng's.
        phones: Its phones, bare.
        spelling: How they are written.
        names: espeak-ng's IPA to phones, where it differs; several with spaces between them.
        letters: What is sung of a word without a vowel letter ("hm", "'s"), where a letter does not
            sound as the first of its phones in `spelling`.
        glides: The vowel that a glide becomes on a note of its own (Na-ti-on).
        respelled: Pattern and replacement of what espeak-ng does not read as it is sung.
        compound: Hyphens of a word that are spelling (vois-tu), not the score's.
        polish: Word and its phones to phones, where its spelling tells more than espeak-ng does.
        end: Phones of a part and the letters of the next to the phones that it ends with.
        elides: Whether a schwa is silent before the vowel of another word on its note.
    """

    code: str
    name: str
    voice: str
    phones: tuple[str, ...]
    spelling: Spelling
    names: Mapping[str, str]
    letters: Mapping[str, str]
    glides: Mapping[str, str]
    respelled: Sequence[tuple[str, str]] = ()
    compound: str = "$^"
    polish: Callable[[str, list[str]], list[str]] = lambda word, phones: phones
    end: Callable[[list[str], str], list[str]] = lambda phones, after: phones
    elides: bool = False

    def read(self, text: str, place: object) -> list[Syllable]:
        """Syllables of words; hyphens inside a word (Lie-be) are where a score cuts it.

        Raises:
            UserError: naming a word that cannot be read, or espeak-ng missing.
        """
        self._check(text, place)
        syllables: list[Syllable] = []
        for token in plain(text).split():
            parts = list(filter(None, map(_letters, re.split("[-+]+", token))))
            if len(parts) == 1:
                syllables += self._whole(parts[0], place)
            elif parts:
                syllables += filter(None, self._divide(parts, place))
        return syllables

    def over_notes(self, lyrics: Sequence[str], place: object) -> list[Syllable | None]:
        """What each of the notes that belong together sings; None: it holds.

        Raises:
            UserError: as `read` does.
        """
        for lyric in lyrics:
            self._check(lyric, place)
        return [
            self._joined(syllables)
            for syllables in over_notes(lyrics, lambda parts: self._divide(parts, place))
        ]

    def _check(self, text: str, place: object) -> None:
        check_letters(plain(text), self.name, place)
        longest = max(map(len, plain(text).split()), default=0)
        if longest > _MAX_LETTERS:
            raise UserError(place, f"a word of {longest} letters", f"at most {_MAX_LETTERS}")

    def _joined(self, syllables: Sequence[Syllable]) -> Syllable | None:
        """The syllables of several words on a note as one."""
        phones: list[str] = []
        for syllable in syllables:
            first = self._bare(syllable.phones[0])
            if self.elides and len(phones) > 1 and phones[-1] == SCHWA and self._is_vowel(first):
                phones.pop()
            phones += map(self._bare, syllable.phones)
        return self._syllable(" ".join(s.text for s in syllables), phones) if phones else None

    def _divide(self, parts: Sequence[str], place: object) -> list[Syllable | None]:
        """A word over its notes: written parts, each with the `+` that follow it."""
        written = [_letters(part) for part in parts]
        heads = [index for index, letters in enumerate(written) if letters]
        if not heads:
            return [None] * len(parts)
        word = "".join(written)
        sung = self._parts([written[head] for head in heads], place)
        notes: list[Syllable | None] = []
        for head, end, phones in zip(heads, [*heads[1:], len(parts)], sung, strict=True):
            count = end - (head if notes else 0)
            syllables = self._cut(phones)
            if len(syllables) < count and end == len(parts):
                syllables += self._sung_schwa(word)
            rest = [phone for syllable in syllables[count - 1 :] for phone in syllable]
            syllables = [*syllables[: count - 1], *([rest] if rest else [])]
            notes += [self._syllable(written[head], s) if s else None for s in syllables]
            notes += [None] * (count - len(syllables))
        return notes

    def _whole(self, word: str, place: object) -> list[Syllable]:
        return [self._syllable(word, part) for part in self._cut(self._say(word, place))]

    def _sung_schwa(self, word: str) -> list[list[str]]:
        return [[SCHWA]] if self.elides and re.search("[^aeiouyéèê]e(s|nt)?$", word.lower()) else []

    def _parts(self, parts: Sequence[str], place: object) -> list[list[str]]:
        """Phones of each written part of a word; none where its note holds the one before."""
        word = "".join(parts)
        text = re.sub(self.compound, "\0", "-".join(parts), flags=re.IGNORECASE)
        phones = self._say(word, place, text.replace("-", "").replace("\0", "-"))
        if len(parts) == 1:
            return [phones]
        ends = list(itertools.accumulate(map(len, parts)))
        sung: list[list[tuple[int, str]]] = [[] for _ in parts]
        letters = self.spelling.letters_of(word.lower(), phones)
        for letter, phone in zip(letters, phones, strict=True):
            sung[next(i for i, end in enumerate(ends) if letter < end)].append((letter, phone))
        divided: list[list[str]] = []
        for part, end, own in zip(parts, ends, sung, strict=True):
            syllable = self._voiced(part, end - len(part), own, place)
            if any(map(self._is_vowel, syllable)):
                syllable = self.end(syllable, word[end:].lower())
            if any(map(self._is_vowel, syllable)) or not divided:
                divided.append(syllable)
            else:  # nothing to sing by itself: it closes the syllable before
                divided[-1] += syllable
                divided.append([])
        return divided

    def _voiced(
        self, part: str, start: int, own: Sequence[tuple[int, str]], place: object
    ) -> list[str]:
        """The phones of a part, with the vowel that it has on its own note."""
        phones = [phone for _, phone in own]
        if any(map(self._is_vowel, phones)):
            return phones
        small = _SILENT_U.sub("'", part.lower())
        vowels = [i for i, letter in enumerate(small) if is_vowel_letter(letter)]
        if len(vowels) == 1 and small[vowels[0]] == "e":
            before = sum(letter < start + vowels[0] for letter, _ in own)
            return [*phones[:before], SCHWA, *phones[before:]]
        glides = [i for i, phone in enumerate(phones) if phone in self.glides]
        if glides and vowels:
            phones[glides[-1]] = self.glides[phones[glides[-1]]]
            return phones
        return self._say(part, place) if vowels else phones

    def _say(self, word: str, place: object, text: str = "") -> list[str]:
        """Phones of a whole word, or of its `text` with the hyphens of its spelling."""
        small = word.lower()
        if not any(map(is_vowel_letter, small.replace("qu", "q"))):
            phones = self._spell(small)
        else:
            text = text or word
            text = text.lower() if word.isupper() and len(word) > 1 else text
            for pattern, replacement in self.respelled:
                text = re.sub(pattern, replacement, text, flags=re.IGNORECASE)
            ipa = spoken(text, self.voice, self.name, place)
            phones = [phone for item in ipa for phone in self._named(item, word, place)]
        if not phones:
            raise UserError(place, f"no phones for {word!r}", f"a {self.name} word")
        return self.polish(small, phones)

    def _spell(self, word: str) -> list[str]:
        """The consonants of a word without a vowel letter."""
        units = re.findall("|".join([*sorted(self.letters, key=len, reverse=True), "[^']"]), word)
        phones = []
        for unit in units:
            letter = unit if unit in self.spelling.sounds else plain_letter(unit)
            heard = self.letters.get(unit) or next(iter(self.spelling.sounds.get(letter, ())), "")
            phones += heard.split()
        return phones

    def _named(self, item: str, word: str, place: object) -> list[str]:
        item = item.rstrip("-")
        for name in (item, item.replace("ː", "")):
            if name in self.names:
                return self.names[name].split()
            if name in self.phones:
                return [name]
        raise UserError(place, f"{item!r} in espeak-ng's {word!r}", f"a phone of {self.name}")

    def _cut(self, phones: Sequence[str]) -> list[list[str]]:
        """Syllables: consonants go to the next vowel as far as words of the language start so."""
        vowels = [index for index, phone in enumerate(phones) if self._is_vowel(phone)]
        starts = [0]
        for before, after in itertools.pairwise(vowels):
            start = after if phones[after - 1] == "ŋ" else max(before + 1, after - 1)
            while start - 1 > before and _begins(phones[start - 1 : start + 1]):
                start -= 1
            starts.append(start)
        return [list(phones[a:b]) for a, b in itertools.pairwise([*starts, len(phones)])]

    def _is_vowel(self, phone: str) -> bool:
        return phone in self.spelling.vowels

    def _bare(self, phone: str) -> str:
        return phone.removeprefix(of_language("", self.code))

    def _syllable(self, text: str, phones: Sequence[str]) -> Syllable:
        able = [index for index, phone in enumerate(phones) if self._is_vowel(phone)]
        named = tuple(of_language(phone, self.code) for phone in phones)
        return Syllable(text, named, able[-1] if able else len(phones) - 1)


def _begins(pair: Sequence[str]) -> bool:
    """Whether a syllable can begin with two consonants."""
    first, second = pair
    if first == "ʃ":
        return second in {"p", "t", "l", "m", "n", "v", "ʁ"}
    return first in _OBSTRUENTS and second in _LIQUIDS


def _letters(part: str) -> str:
    """A part of a word without what is no letter; empty for a `+`."""
    return "-".join(filter(None, ("".join(words_in(piece)) for piece in part.split("-"))))
