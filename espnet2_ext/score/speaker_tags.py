"""The tags that say who speaks in the text of a dialogue: ``[S0]`` and ``[S1]``."""

import re
from collections.abc import Iterable

_TAG = re.compile(r"\[S\d\]")


def speaker_tag(number: int) -> str:
    """The tag of a dialogue's speaker, 0 to 9."""
    return f"[S{number}]"


def is_speaker_tag(word: str) -> bool:
    """Whether a word of a text is a speaker's tag."""
    return _TAG.fullmatch(word) is not None


def without_tags(words: Iterable[str]) -> list[str]:
    """The words that are said."""
    return [word for word in words if not is_speaker_tag(word)]
