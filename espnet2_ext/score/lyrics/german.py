"""German lyrics: words read by espeak-ng's de voice, in the Montreal aligner's IPA."""

import re

from espnet2_ext.score.lyrics.ipa import of_language
from espnet2_ext.score.lyrics.ipa_words import IpaWords
from espnet2_ext.score.lyrics.spelling import Spelling

_VOWELS = "a aː aj aw eː ɛ ɛː ə ɐ iː ɪ oː ɔ ɔʏ øː œ uː ʊ yː ʏ"
_CONSONANTS = "b d dʒ f h j k l m n p pf s t ts tʃ v x z ç ŋ ɡ ʁ ʃ ʒ"
_BARE = (*_VOWELS.split(), *_CONSONANTS.split())

_NAMES = {
    "ɑː": "aː", "ɑ": "aː", "ɐ": "a", "ʌ": "a", "ã": "a ŋ", "ɑ̃": "a ŋ", "ɔ̃": "ɔ ŋ", "ɛ̃": "ɛ ŋ",
    "œ̃": "œ ŋ", "aɪ": "aj", "ɛɪ": "aj", "eɪ": "eː", "aʊ": "aw", "ɔø": "ɔʏ", "ɔɪ": "ɔʏ", "æ": "ɛ",
    "ɜ": "ɐ", "ɜː": "œ ʁ", "ɚ": "ɐ", "e": "eː", "i": "iː", "iə": "iː ɐ", "o": "oː", "əʊ": "oː",
    "ɒ": "ɔ", "ɔː": "oː", "u": "uː", "ʊɐ": "ʊ ʁ", "y": "yː", "ø": "øː", "əl": "ə l",
    "r": "ʁ", "ɾ": "ʁ", "ɹ": "ʁ", "w": "v", "θ": "s", "ð": "z", "ʔ": "", "ɬ": "l",
    "aɪə": "aj ɐ", "aɪɚ": "aj ɐ", "ʊə": "uː ɐ", "eə": "ɛː ɐ", "n̩": "ə n", "l̩": "ə l", "m̩": "ə m",
}  # fmt: skip
_LETTERS = {"sch": "ʃ", "ch": "x", "pf": "pf", "ck": "k", "tz": "ts", "ph": "f", "ß": "s", "s": "s"}
_SOUNDS = {
    "a": "a aː aj aw ɔ", "ä": "ɛ ɛː eː ɔʏ", "e": "eː ɛ ə ɐ aj ɔʏ øː", "i": "iː ɪ j", "o": "oː ɔ œ",
    "ö": "øː œ", "u": "uː ʊ v", "ü": "yː ʏ", "y": "yː ʏ j ɪ iː", "é": "eː", "è": "ɛ", "ê": "ɛː",
    "b": "b p", "c": "k ts s ç x ʃ tʃ", "d": "d t dʒ", "f": "f pf", "g": "ɡ k ç ʒ", "h": "h",
    "j": "j ʒ dʒ", "k": "k", "l": "l", "m": "m", "n": "n ŋ", "p": "p pf f", "q": "k",
    "r": "ʁ", "s": "z s ʃ", "ß": "s", "t": "t ts tʃ", "v": "f v", "w": "v", "x": "s k",
    "z": "ts s",
}  # fmt: skip
# What espeak-ng reads with the wrong vowel or consonant, spelled so that it does not.
_RESPELLED = (
    (r"ſ", "s"),
    # a diminutive keeps its word's long vowel: Rös-lein
    (r"(?<=[b-df-hj-np-tv-z])([äöü])(gd|[bdglmnst])(?=leins?$)", r"\1h\2"),
    # ß before 1996 also follows short vowels, at the end of all words but these: Kuß, gewiß
    (r"(?<![aeiouyäöü][eiuy])(?<!sü)(?<!gro)(?<!blo)(?<!fu)(?<!gru)(?<!scho)(?<!sto)(?<!flo)"
     r"(?<!klo)(?<!ma)(?<!spa)(?<!fra)(?<!sa)(?<!\ba)(?<!ga)(?<!fä)(?<!mä)(?<!ru)ß$", "ss"),
    (r"(?<=[gr]r)ü(?=ßt)|(?<=b)ü(?=ßt)|(?<=s)ü(?=ßt)", "üh"),
    (r"(?<=h)ör(?=t)|(?<=st)ör(?=t)|(?<=schw)ör(?=t)", "öhr"),
    (r"(?<=sp)ür(?=t)", "ühr"),
    (r"(?<=r)u(?=fs?t$)", "uh"),
    (r"(?<=schl)ä(?=ft$)", "äh"),
    (r"^(d?)er$", r"\1ehr"), (r"^vor$", "fohr"), (r"(?<=\bw)er(?=d[ei]|t)", "ehr"),
    (r"(?<=\bbl)u(?=m)", "uh"), (r"(?<=geb)u(?=rt)", "uh"), (r"(?<=\bm)a(?=gd$)", "ah"),
    (r"(?<=\bgeb)e(?=te?s?$)", "ee"), (r"(?<=\bl)e(?=rche)", "ä"), (r"^amen$", "ahmen"),
    (r"(?<=n)ä(ch)(?=st)", r"äh\1'"), (r"(?<=h)ö(ch)(?=st)", r"öh\1'"),
    (r"(?<=\bmon)at(?=e?s?$)", "att"),
    (r"^mignons?$", "minjong"),
    # the second word of a compound: Sonnen-strahl, Abend-stern
    (r"(?<=[bdfghklmnprt])s(?=t(adt|aub|ein|ill|imm|rahl|rauß|räuß|reif|rom|röm|ück|und|ürm)"
     r"|p(iel|ruch))", "sch"),
    (r"^(abend|augen|morgen)stern", r"\1schtärn"),
)  # fmt: skip
_SPELLING = Spelling(
    {letter: dict.fromkeys(phones.split()).keys() for letter, phones in _SOUNDS.items()},
    frozenset(_VOWELS.split()),
)
_VOICELESS = {"b": "p", "d": "t", "ɡ": "k", "z": "s", "v": "f", "dʒ": "tʃ", "ʒ": "ʃ"}
# Before these a word ends, and its last consonants are voiceless: lieb-lich, Knäb-lein.
_STEM_END = re.compile("[bdg]+(?=chen|haft|heit|keit|lein|lich|ling|los|nis|sam)")


def _polish(word: str, phones: list[str]) -> list[str]:
    """Voiceless ends of stems; the affricates of Kopf and deutsch, which espeak-ng gives as two."""
    ends = {index for match in _STEM_END.finditer(word) for index in range(*match.span())}
    letters = _SPELLING.letters_of(word, phones) if ends else [-1] * len(phones)
    pairs = {("p", "f"): "pf" in word, ("t", "ʃ"): re.search("tsch(?![lmnrw])", word)}
    done: list[str] = []
    for index, (letter, phone) in enumerate(zip(letters, phones, strict=True)):
        after = phones[index + 1] if index + 1 < len(phones) else ""
        before_voiceless = after in {*_VOICELESS.values(), "x", "ç", "ts", "pf"}
        if done and pairs.get((done[-1], phone)):
            done[-1] += phone
        else:
            done.append(
                _VOICELESS.get(phone, phone) if letter in ends or before_voiceless else phone
            )
    return done


def _end(phones: list[str], after: str) -> list[str]:
    """A part of a word that a consonant follows ends voiceless, as its stem does: Mond-nacht.

    Not where an e is left out after the consonant: gold-ne, ed-le.
    """
    if phones[-1] not in ("b", "d", "ɡ") or not re.match("[b-df-hj-np-tv-z](?<![lnr](?=e))", after):
        return phones
    return [*phones[:-1], _VOICELESS[phones[-1]]]


_READER = IpaWords(
    code="de",
    name="German",
    voice="de",
    phones=_BARE,
    spelling=_SPELLING,
    names=_NAMES,
    letters=_LETTERS,
    glides={"j": "iː"},
    respelled=_RESPELLED,
    polish=_polish,
    end=_end,
)
VOWELS = tuple(of_language(phone, "de") for phone in _VOWELS.split())
PHONES = tuple(of_language(phone, "de") for phone in _BARE)
read = _READER.read
over_notes = _READER.over_notes
