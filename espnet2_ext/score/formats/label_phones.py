"""Phones of labels in the language's own names: silence, breath, devoiced vowels."""

from collections.abc import Sequence

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.aliases import rest_phone
from espnet2_ext.score.formats.sung_words import respelled
from espnet2_ext.score.lyrics.languages import Language
from espnet2_ext.score.music_score import SILENCE

_CLOSURES = ("q", "Q", "cls")  # as some databases call the one of a Japanese っ


def rest_of_phone(name: str) -> str | None:
    """SP or AP where a label's phone is a silence (pau, sil, xx) or a breath (br), else None."""
    return SILENCE if name == "xx" else rest_phone(name)


def phone_of(name: str, spoken: Language, place: str) -> str:
    """A phone's own name in a language; devoiced vowels, in capitals, are vowels.

    Args:
        name: As a label has it.
        spoken: The language.
        place: For errors.

    Returns:
        str: One of the language's phones, or SP or AP.

    Raises:
        UserError: the language has no such phone.
    """
    rest = rest_of_phone(name)
    if rest:
        return rest
    own = respelled([name], spoken.code)[0]
    if own in _CLOSURES and "cl" in spoken.phones:
        own = "cl"
    own = own if own in spoken.phones else own.lower()
    if own not in spoken.phones:
        raise UserError(place, f"phone {name!r}", f"a phone of {spoken.name}, or another --lang")
    return own


def onset_of(phones: Sequence[str], spoken: Language) -> int:
    """Index of the phone that is on the beat: the first that can carry a pitch, or the last."""
    able = (index for index, phone in enumerate(phones) if phone in spoken.carriers)
    return next(able, len(phones) - 1)
