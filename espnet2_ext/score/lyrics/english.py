"""English lyrics: words read by espeak-ng's en-us voice, as ARPAbet without stress, in syllables.

espeak-ng has a rule for every spelling, so no word is out of vocabulary. Each word is read by
itself, whatever stands beside it.
"""

import itertools
import re
from collections.abc import Sequence

from espnet2_ext.errors import UserError
from espnet2_ext.score.lyrics import words
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


def _read_word(word: str, place: object) -> list[str]:
    for pattern, phones in _SOUNDS.items():
        if re.fullmatch(pattern, word):
            return phones.split()
    ipa = words.spoken(word, "en-us", "English", place)
    return [
        phone for item in ipa for unit in _IPA.findall(item) for phone in _ARPABET[unit].split()
    ]


def _nucleus(phones: Sequence[str]) -> int:
    able = [i for i, phone in enumerate(phones) if phone in VOWELS]
    return able[-1] if able else len(phones) - 1


def _syllables(word: str, place: object) -> list[Syllable]:
    phones = _read_word(word, place)
    if not phones:
        raise UserError(place, f"no phones for {word!r}", "an English word")
    starts = _starts(phones)
    syllables = []
    for start, end in zip(starts, [*starts[1:], len(phones)], strict=True):
        part = tuple(phones[start:end])
        syllables.append(Syllable(word, part, _nucleus(part)))
    return syllables


def read(text: str, place: object) -> list[Syllable]:
    """Syllables of words; hyphens inside a word (hel-lo) are where a score cuts it.

    Raises:
        UserError: naming a word with digits or foreign letters, or espeakng-loader missing.
    """
    syllables = []
    for written in words.plain(text).lower().split():
        word = re.sub(r"[-+]", "", written)
        words.check_letters(word, "English", place)
        for part in words.words_in(word):
            syllables += _syllables(part, place)
    return syllables


def over_notes(lyrics: Sequence[str], place: object) -> list[Syllable | None]:
    """What each of the notes that belong together sings; None: it holds.

    Raises:
        UserError: as `read` does.
    """
    for lyric in lyrics:
        words.check_letters(words.plain(lyric), "English", place)
    notes = words.over_notes(lyrics, lambda parts: _divide(parts, place))
    return [_joined(syllables) if syllables else None for syllables in notes]


def _divide(parts: Sequence[str], place: object) -> list[Syllable | None]:
    """The syllables of a word over its notes, the rest on the last."""
    syllables = read("".join(parts), place)
    n = len(parts)
    if len(syllables) == 1 < n:
        syllables = _one_by_one(parts, place) or syllables
    if len(syllables) > n:
        syllables = [*syllables[: n - 1], _joined(syllables[n - 1 :])]
    return [*syllables, *[None] * (n - len(syllables))]


def _one_by_one(parts: Sequence[str], place: object) -> list[Syllable]:
    """The parts of a word, each on its own; empty where one of them is not one syllable.

    A score may sing as several syllables what is spoken as one, such as "bless-ed".
    """
    read_parts = [read(part, place) for part in parts]
    return [part[0] for part in read_parts] if all(len(p) == 1 for p in read_parts) else []


def _joined(syllables: Sequence[Syllable]) -> Syllable:
    phones = tuple(phone for syllable in syllables for phone in syllable.phones)
    return Syllable(syllables[0].text, phones, _nucleus(phones))


def split(text: str) -> list[str]:
    """One item per note, in lower case: a word, or a part of one with the hyphen after it."""
    return words.split(text.lower())
