"""French lyrics: words read by espeak-ng's fr voice, in the Montreal aligner's IPA.

The e that is mute in speech is sung where it has a note of its own (bel-le).
"""

from espnet2_ext.score.lyrics.ipa import of_language
from espnet2_ext.score.lyrics.ipa_words import IpaWords
from espnet2_ext.score.lyrics.spelling import Spelling

_VOWELS = "a ɑ ɑ̃ e ə ɛ ɛ̃ i o ɔ ɔ̃ u y ø œ œ̃"
_CONSONANTS = "b d dʒ f j k l m n p s t ts tʃ v w z ŋ ɡ ɥ ɲ ʁ ʃ ʒ"
_BARE = (*_VOWELS.split(), *_CONSONANTS.split())

_NAMES = {
    "aː": "ɑ", "ɐ": "a", "ʌ": "œ", "æ": "a", "ɑː": "ɑ", "ɪ": "i", "ɒ": "ɔ", "ʊ": "u", "əʊ": "o",
    "eɪ": "ɛ j", "aɪ": "a j", "aʊ": "a w", "ɔɪ": "ɔ j", "eə": "ɛ", "iə": "i ə", "ʊə": "u ə",
    "aɪə": "a j ə", "əl": "ə l", "ɜ": "œ", "ɚ": "œ ʁ", "oʊ": "o",
    "ɹ": "ʁ", "r": "ʁ", "ɾ": "ʁ", "h": "", "θ": "s", "ð": "z", "ɬ": "l", "ʔ": "", "x": "k",
    "ç": "ʃ",
    "n̩": "ə n", "l̩": "ə l", "m̩": "ə m",
}  # fmt: skip
_GLIDES = {"j": "i", "w": "u", "ɥ": "y"}
_LETTERS = {"ch": "ʃ", "qu": "k", "ph": "f", "gn": "ɲ", "s": "s", "g": "ʒ"}
_SOUNDS = {
    "a": "a ɑ ɑ̃ ɛ e o", "à": "a", "â": "ɑ a", "e": "ə e ɛ œ ø ɑ̃ ɛ̃", "é": "e ɛ", "è": "ɛ",
    "ê": "ɛ e", "ë": "ɛ ə", "i": "i j ɛ̃ a", "î": "i", "ï": "i j", "o": "o ɔ ɔ̃ w u œ", "ô": "o",
    "u": "y ɥ w œ̃ u œ ø", "ù": "y u", "û": "y", "ü": "y", "y": "i j", "œ": "œ ø e", "æ": "e",
    "b": "b p", "c": "k s ʃ ɡ tʃ", "ç": "s", "d": "d t", "f": "f v", "g": "ɡ ʒ ɲ", "h": "",
    "j": "ʒ dʒ j", "k": "k", "l": "l j", "m": "m", "n": "n ɲ ŋ", "p": "p f", "q": "k", "r": "ʁ",
    "s": "s z ʃ", "t": "t s", "v": "v", "w": "w v", "x": "k s z ɡ", "z": "z",
}  # fmt: skip
_RESPELLED = (
    (r"^fils$", "fisse"),
    (r"(?<=\bam)e(?=r$)|(?<=-am)e(?=r$)", "è"),
    (r"(?<=[b-df-hj-np-tv-z])o(se|ses|sent)$", r"ô\1"),  # rose, repose
)
# est-ce, vois-tu, rendez-vous, dis-moi, doux-amer, elle-même: read as two words.
_COMPOUND = (
    "(?<=st)-(?=ce$)|(?<=[stx])-(?=je$|tu$)|(?<=[sxz])-(?=nous$|vous$)|(?<=[stxz])-(?=lui$|leur$)"
    "|(?<=[eo]ux)-|(?<!é)-(?=(moi|toi)$)|-(?=mê-?mes?$)"
)


def _polish(word: str, phones: list[str]) -> list[str]:
    """The glide of nuit and the gn of agneau, which espeak-ng gives as y and as n j."""
    done: list[str] = []
    for index, phone in enumerate(phones):
        after = phones[index + 1] if index + 1 < len(phones) else ""
        cluster = len(done) > 1 and done[-1] in "lʁ" and done[-2] in "bdfɡkptv"
        if phone == "y" and after in _VOWELS.split() and (after == "i" or not cluster):
            done.append("ɥ")
        elif phone == "j" and done and done[-1] == "n" and "gn" in word:
            done[-1] = "ɲ"
        else:
            done.append(phone)
    return done


_READER = IpaWords(
    code="fr",
    name="French",
    voice="fr",
    phones=_BARE,
    spelling=Spelling(
        {letter: dict.fromkeys(phones.split()).keys() for letter, phones in _SOUNDS.items()},
        frozenset(_VOWELS.split()),
    ),
    names=_NAMES,
    letters=_LETTERS,
    glides=_GLIDES,
    respelled=_RESPELLED,
    compound=_COMPOUND,
    polish=_polish,
    elides=True,
)
VOWELS = tuple(of_language(phone, "fr") for phone in _VOWELS.split())
PHONES = tuple(of_language(phone, "fr") for phone in _BARE)
read = _READER.read
over_notes = _READER.over_notes
