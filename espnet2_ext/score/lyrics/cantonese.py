"""Cantonese lyrics, in jyutping or hanzi: onset and rime of each syllable, tones dropped."""

import re
from itertools import product

from espnet2_ext.errors import UserError
from espnet2_ext.score.lyrics.syllable import Syllable
from espnet2_ext.score.phones import is_hanzi

_ONSETS = "b p m f d t n l g k ng gw kw h z c s j w"
_RIMES = (
    "aa aai aau aam aan aang aap aat aak a ai au am an ang ap at ak e ei eu em en eng ep et ek "
    "i iu im in ing ip it ik o oi ou on ong ot ok u ui un ung ut uk oe oeng oet oek eoi eon eot "
    "yu yun yut m ng"
)
ONSETS = tuple(_ONSETS.split())
RIMES = tuple(_RIMES.split())
PHONES = tuple(dict.fromkeys(ONSETS + RIMES))  # m and ng are both
_SYLLABLES = {
    onset + rime: tuple(filter(None, (onset, rime)))
    for onset, rime in product(("", *ONSETS), RIMES)
    if rime not in ("m", "ng") or onset in ("", "h")
}
_TOKEN = re.compile(r"[^\W_]+")


def _hanzi_to_jyutping(text: str, place: object) -> list[str]:
    try:
        from ToJyutping import get_jyutping_list
    except ImportError:
        raise UserError(
            place, f"hanzi {text!r} without the package ToJyutping", "it, or jyutping"
        ) from None
    read = get_jyutping_list(text)
    for char, jyutping in read:
        if jyutping is None:
            raise UserError(place, f"no Cantonese reading of {char!r}", "jyutping")
    return [jyutping for _, jyutping in read]


def _syllable(jyutping: str, place: object) -> Syllable:
    plain = re.sub(r"[1-9]$", "", jyutping.lower())
    phones = _SYLLABLES.get(plain)
    if phones is None:
        raise UserError(place, f"no phones for the syllable {jyutping!r}", "jyutping, as 'hoeng1'")
    return Syllable(plain, phones, len(phones) - 1)


def read(text: str, place: object) -> list[Syllable]:
    """Syllables of jyutping (with or without tones) or hanzi.

    Raises:
        UserError: naming a word that is neither, or hanzi where ToJyutping is not installed.
    """
    syllables = []
    for token in _TOKEN.findall(text):
        for run in re.findall(r"[a-zA-Z]+[0-9]?|[^a-zA-Z]+", token):
            is_run = all(map(is_hanzi, run))
            words = _hanzi_to_jyutping(run, place) if is_run else [run]
            syllables += [_syllable(word, place) for word in words]
    return syllables
