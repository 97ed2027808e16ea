"""Lyrics as UTAU's and OpenUtau's voicebanks name their samples, rests and breaths.

An alias may name the vowel before (``a か``), the pitch at which it was recorded (``か_C4`` or
``かC4``), or one of several takes (``か2``).
"""

import re

from espnet2_ext.errors import UserError
from espnet2_ext.score.lyrics.english import CONSONANTS, PHONES
from espnet2_ext.score.lyrics.languages import LANGUAGES
from espnet2_ext.score.music_score import BREATH, SILENCE

_RESTS = frozenset(("pau", "sil", "sp", "ep"))
_BREATH = re.compile(r"br[0-9]*", re.IGNORECASE)
# Rests where they are no words of the language: "rest" is one in English, 息 in Chinese.
_RESTS_OF = {"zh": ("r", "rest", "cl"), "yue": ("r", "rest", "cl")}
_RESTS_OF |= {"ja": ("r", "rest"), "en": ("r", "cl"), "de": ("r", "cl"), "fr": ("r", "cl")}
_BREATHS_OF = {"ja": re.compile("(?:息|吸|ブレス|ぶれす)[0-9]*")}
_VOWEL_BEFORE = re.compile(r"^[aiueonN*-]\s+(?=\S)")
_PITCH = re.compile(r"(?<=[^\s_])_\S*$|(?<=[^\s_A-Z])\s*[A-G][#b♯♭]?[1-8]$")
_PITCH_OF_WORD = re.compile(r"(?<=[^\s_])_?(?<=[^A-Z])[A-G][#b♯♭]?[1-8]$")  # ich_bin is words
_TAKE = re.compile("(?<=[ぁ-ゖァ-ヶー])[0-9]+$")


def rest_phone(name: str) -> str | None:
    """SP or AP where a phone or word is a name of silence or breath in any language, else None."""
    if name == BREATH or _BREATH.fullmatch(name):
        return BREATH
    return SILENCE if name.lower() in _RESTS else None


def rest_of(lyric: str, language: str) -> str | None:
    """SP or AP where a lyric is a voicebank's rest or breath; None where it is sung."""
    if language in _BREATHS_OF and _BREATHS_OF[language].fullmatch(lyric):
        return BREATH
    if lyric.lower() in _RESTS_OF.get(language, ()):
        return SILENCE
    return rest_phone(lyric)


def lyric_of_alias(alias: str, language: str, place: str) -> str:
    """The lyric that an alias sings; SP or AP for a rest.

    Raises:
        UserError: an alias of ARPAsing, which names two phones, none of them a word.
    """
    words = language in LANGUAGES and LANGUAGES[language].hyphens
    lyric = (_PITCH_OF_WORD if words else _PITCH).sub("", alias)
    if language == "ja":
        lyric = _TAKE.sub("", lyric)
        bare = _VOWEL_BEFORE.sub("", lyric)
        if bare != lyric and bare == "-":  # the vowel ends
            return SILENCE
        lyric = bare
    elif language == "en" and _names_phones(lyric):
        raise UserError(place, f"{alias!r}, two phones of ARPAsing", "words, + to go on", "lyric")
    return rest_of(lyric, language) or lyric


def _names_phones(lyric: str) -> bool:
    """Whether a lyric is phones with spaces between them, a consonant by itself among them."""
    phones = set(lyric.upper().split())
    return len(phones) > 1 and phones <= {*PHONES, "-"} and not phones.isdisjoint(CONSONANTS)
