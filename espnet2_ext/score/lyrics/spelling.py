"""Which phones of a word each of its written parts sings: letters and phones aligned.

A score says by its hyphens where a word is cut; a dictionary gives the phones of the whole word.
The alignment with the least cost (Needleman and Wunsch 1970) joins the two: "Schmet-ter-ling" is
ʃ m ɛ, t ɐ, l ɪ ŋ.
"""

import unicodedata
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

_VOWEL_LETTERS = frozenset("aeiouyœæøı")
_SILENT = 0.5  # a letter without a phone
_EXTRA = 1.0  # a phone without a letter
_UNLIKE_VOWEL = 0.3  # a vowel written with the letter of another
_UNLIKE = 1.2  # a consonant likewise
_NEVER = 4.0  # a vowel for a consonant


def is_vowel_letter(letter: str) -> bool:
    """Whether a Latin letter, with any accent, is one of a vowel."""
    return plain_letter(letter) in _VOWEL_LETTERS


def plain_letter(letter: str) -> str:
    """A letter without its accents."""
    return unicodedata.normalize("NFD", letter)[0]


@dataclass(frozen=True)
class Spelling:
    """How a language is written.

    Args:
        sounds: Phones that a letter may be heard as.
        vowels: Phones that are vowels.
    """

    sounds: Mapping[str, Set[str]]
    vowels: Set[str]

    def _cost(self, letter: str, phone: str) -> float:
        if phone in self.sounds.get(letter, ()):
            return 0.0
        is_vowel = phone in self.vowels
        if is_vowel != is_vowel_letter(letter):
            return _NEVER
        return _UNLIKE_VOWEL if is_vowel else _UNLIKE

    def letters_of(self, word: str, phones: Sequence[str]) -> list[int]:
        """Index of the letter that each phone is written with; of the one before, if with none.

        Of doubled consonants it is the second, which goes to the vowel that follows; of doubled
        vowels the first, which the others hold (Ja-a-a).
        """
        n, m = len(word), len(phones)
        costs = [[0.0] * (m + 1) for _ in range(n + 1)]
        for i in range(n + 1):
            for j in range(m + 1):
                if i or j:
                    costs[i][j] = min(self._steps(costs, word, phones, i, j).values())
        letters = [0] * m
        i, j = n, m
        while j:
            steps = self._steps(costs, word, phones, i, j)
            likely = "silent" if phones[j - 1] in self.vowels else "heard"
            step = min(steps, key=lambda name: (steps[name], name != likely))
            letters[j - 1] = max(i - 1, 0)
            i -= step != "extra"
            j -= step != "silent"
        return letters

    def _steps(
        self, costs: list[list[float]], word: str, phones: Sequence[str], i: int, j: int
    ) -> dict[str, float]:
        steps = {}
        if i and j:
            steps["heard"] = costs[i - 1][j - 1] + self._cost(word[i - 1], phones[j - 1])
        if i:
            steps["silent"] = costs[i - 1][j] + _SILENT
        if j:
            steps["extra"] = costs[i][j - 1] + _EXTRA
        return steps
