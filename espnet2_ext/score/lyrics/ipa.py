"""Phones in IPA, alone or behind the code of their language (``ko:k``)."""

import re

# Vowels, the Japanese syllabic nasal, and the mark under a syllabic consonant.
_VOWEL = re.compile("[aeiouyæøœɐɑɒɔəɛɜɤɨɪɯɵʉʊʌʏãẽĩõũɴ\u0329]")


def of_language(phone: str, language: str) -> str:
    """The phone behind the code of its language, so that two languages do not share it."""
    return f"{language}:{phone}"


def is_vowel(phone: str) -> bool:
    """Whether a phone carries the pitch of a syllable."""
    return _VOWEL.search(phone.rpartition(":")[2]) is not None
