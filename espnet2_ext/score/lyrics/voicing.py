"""Which phones are sung with the voice: vowels, and consonants but for the voiceless ones."""

from espnet2_ext.score.lyrics.languages import LANGUAGES
from espnet2_ext.score.music_score import REST_PHONES

VOICELESS = {
    language: frozenset(phones.split())
    for language, phones in {
        "zh": "b p d t g k f h j q x zh ch sh z c s",
        "yue": "b p d t g k gw kw f h z c s",
        "ja": "p py t ty k ky kw s sh ts ch h hy f cl",
        "en": "P T K F TH S SH CH HH",
    }.items()
}
"""By language, in its own names. Mandarin's and Cantonese's unaspirated plosives are voiceless."""
_VOICELESS_IPA = frozenset("ptkqcʈʔfsʃçxhθɸχʂɕħɬʰːˑʼ\u0361")


def is_voiced(phone: str, code: str) -> bool:
    """Whether a phone sounds with the voice, in any language: by IPA where it is none of its own.

    Args:
        phone: Its symbol; a rest is none that sounds.
        code: ISO 639 code of the lyrics' language.
    """
    if phone in REST_PHONES:
        return False
    known = LANGUAGES.get(code)
    if code in VOICELESS and known is not None and phone in known.phones:
        return phone not in VOICELESS[code]
    return not set(phone.rpartition(":")[2]) <= _VOICELESS_IPA
