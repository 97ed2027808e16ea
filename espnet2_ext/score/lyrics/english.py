"""English lyrics: words read by espeak-ng's en-us voice, as ARPAbet without stress, in syllables.

espeak-ng has a rule for every spelling, so no word is out of vocabulary. Each word is read by
itself, whatever stands beside it.
"""

import functools
import itertools
import re
import unicodedata

from espnet2_ext.errors import UserError
from espnet2_ext.score.lyrics.espeak_g2p import phonemes
from espnet2_ext.score.lyrics.syllable import Syllable

_VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW"
_CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH"
VOWELS = tuple(_VOWELS.split())
CONSONANTS = tuple(_CONSONANTS.split())
PHONES = VOWELS + CONSONANTS

_ARPABET = {
    "aɪɚ": "AY ER", "aɪə": "AY AH", "aɪ": "AY", "aʊ": "AW", "ɔɪ": "OY", "eɪ": "EY", "oʊ": "OW",
    "əl": "AH L", "n̩": "AH N", "l̩": "AH L", "m̩": "AH M", "iə": "IY AH",
    "iː": "IY", "i": "IY", "ɪ": "IH", "ᵻ": "IH", "ɛ": "EH", "e": "EY", "æ": "AE", "a": "AE",
    "ɑː": "AA", "ɑ": "AA", "ɔː": "AO", "ɔ": "AO", "oː": "AO", "o": "OW", "uː": "UW", "u": "UW",
    "ʊ": "UH", "ʌ": "AH", "ə": "AH", "ɐ": "AH", "ɜː": "ER", "ɜ": "ER", "ɚ": "ER",
    "b": "B", "d": "D", "dʒ": "JH", "ð": "DH", "f": "F", "ɡ": "G", "h": "HH", "j": "Y", "k": "K",
    "l": "L", "ɬ": "L", "m": "M", "n": "N", "ŋ": "NG", "p": "P", "ɹ": "R", "r": "R", "s": "S",
    "ʃ": "SH", "t": "T", "ɾ": "T", "ʔ": "T", "tʃ": "CH", "θ": "TH", "v": "V", "w": "W", "x": "K",
    "z": "Z", "ʒ": "ZH",
}  # fmt: skip
_IPA = re.compile("|".join(sorted(_ARPABET, key=len, reverse=True)))
# Sounds that espeak would spell out letter by letter, and the article as it is sung.
_SOUNDS = {r"a": "AH", r"m+": "M", r"h+m+": "HH M", r"s+h+": "SH"}
_CLUSTERS = (
    "P-L P-R B-L B-R T-R T-W D-R D-W K-L K-R K-W G-L G-R G-W F-L F-R TH-R TH-W SH-R "
    "S-P S-T S-K S-F S-M S-N S-L S-W S-P-L S-P-R S-T-R S-K-R S-K-W "
    "P-Y B-Y K-Y F-Y V-Y M-Y HH-Y S-K-Y S-P-Y HH-W"
)
_ONSETS = {tuple(cluster.split("-")) for cluster in _CLUSTERS.split()}
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*'?")


def _starts(phones: list[str]) -> list[int]:
    """Where each syllable begins: consonants go to the next vowel as far as English words start."""
    vowels = [index for index, phone in enumerate(phones) if phone in VOWELS]
    starts = [0]
    for before, after in itertools.pairwise(vowels):
        start = after if phones[after - 1] == "NG" else max(before + 1, after - 1)
        while start - 1 > before and tuple(phones[start - 1 : after]) in _ONSETS:
            start -= 1
        starts.append(start)
    return starts


@functools.lru_cache(maxsize=8192)
def _read_word(word: str) -> tuple[str, ...]:
    for pattern, phones in _SOUNDS.items():
        if re.fullmatch(pattern, word):
            return tuple(phones.split())
    ipa = phonemes(word, "en-us")
    return tuple(
        phone for item in ipa for unit in _IPA.findall(item) for phone in _ARPABET[unit].split()
    )


def _syllables(word: str, place: object) -> list[Syllable]:
    try:
        phones = list(_read_word(word))
    except ImportError:
        raise UserError(
            place, "English lyrics without the package espeakng-loader", "it installed"
        ) from None
    if not phones:
        raise UserError(place, f"no phones for {word!r}", "an English word")
    starts = _starts(phones)
    syllables = []
    for start, end in zip(starts, [*starts[1:], len(phones)], strict=True):
        part = tuple(phones[start:end])
        able = [i for i, phone in enumerate(part) if phone in VOWELS]
        syllables.append(Syllable(word, part, able[-1] if able else len(part) - 1))
    return syllables


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).replace("\u2019", "'").replace("\u2018", "'")
    return text.lower()


def read(text: str, place: object) -> list[Syllable]:
    """Syllables of words; hyphens inside a word (hel-lo) are where a score cuts it.

    Raises:
        UserError: naming a word with digits or foreign letters, or espeakng-loader missing.
    """
    syllables = []
    for written in _plain(text).split():
        word = re.sub(r"[-+]", "", written)
        for char in word:
            latin = char.isascii() or unicodedata.name(char, "").startswith("LATIN")
            if char.isdigit() or (char.isalpha() and not latin):
                raise UserError(place, f"{char!r} in English lyrics", "words in letters")
        for part in _WORD.findall(word):
            syllables += _syllables(part, place)
    return syllables


def split(text: str) -> list[str]:
    """One item per note: a word, or a part of one with the hyphen after it."""
    return [part for word in _plain(text).split() for part in re.findall(r"[\w']+-?|\+", word)]
