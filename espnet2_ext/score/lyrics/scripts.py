"""Which language lyrics are written in, as far as their script says it."""

import re

from espnet2_ext.score.phones import is_hanzi

_KANA = re.compile("[ぁ-ゖァ-ヺｦ-ﾟ]")


def language_of_script(text: str) -> str | None:
    """ISO 639 code: ja for kana, zh for Chinese characters alone; None for other scripts."""
    if _KANA.search(text):
        return "ja"
    return "zh" if any(map(is_hanzi, text)) else None


def or_language(expected: str, text: str, language: str) -> str:
    """What was expected, and the option that helps where the script is of another language."""
    other = language_of_script(text)
    if other is None or other == language or (other == "zh" and language in ("yue", "ja")):
        return expected
    return f"{expected}, or --lang {other}"
