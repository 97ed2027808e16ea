"""GTSinger's nine languages: their phones as published, and as a model here learns them.

Mandarin becomes Opencpop's phones and English ARPAbet without stress, which is what lyrics are
read as. The other seven keep the Montreal aligner's IPA behind their language code (``ko:k``), so
that languages that are trained together do not share a phone by accident.
"""

from collections.abc import Callable
from dataclasses import replace

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.whole_finals import FINALS, INITIALS, from_opencpop, to_opencpop
from espnet2_ext.score.lyrics import ipa
from espnet2_ext.score.lyrics.english import PHONES as ARPABET
from espnet2_ext.score.lyrics.english import VOWELS
from espnet2_ext.score.music_score import BREATH, SILENCE, MusicScore

LANGUAGES = {
    "Chinese": "zh",
    "English": "en",
    "French": "fr",
    "German": "de",
    "Italian": "it",
    "Japanese": "ja",
    "Korean": "ko",
    "Russian": "ru",
    "Spanish": "es",
}
CODES = tuple(LANGUAGES.values())
RESTS = {"<SP>": SILENCE, "SP": SILENCE, "": SILENCE, "_NONE": SILENCE}
RESTS |= {"<AP>": BREATH, "AP": BREATH, "breathe": BREATH, "breath": BREATH}
_ZH = frozenset(INITIALS + FINALS) | {"y", "w"}  # 喔 is w o in some of its files


def read_phone(symbol: str, language: str, place: str) -> str:
    """A sung phone of an annotation, without the language suffix of ``metadata.json``.

    Raises:
        UserError: it is not one of the language.
    """
    phone = symbol.removesuffix(f"_{language}")
    known = {"zh": phone in _ZH, "en": _unstressed(phone) in ARPABET}
    if not known.get(language, len(phone.split()) == 1 and "_" not in phone and phone != "spn"):
        raise UserError(place, f"unknown phone {symbol!r}", f"a GTSinger phone of {language!r}")
    return phone


def is_vowel(phone: str, language: str) -> bool:
    """Whether a phone, as published, carries the pitch of a syllable."""
    if language == "zh":
        return phone in FINALS
    if language == "en":
        return _unstressed(phone) in VOWELS
    return ipa.is_vowel(phone)


def to_learned(score: MusicScore) -> MusicScore:
    """Phones as published to those of a data directory; see the module."""
    if score.language == "zh":
        return to_opencpop(score)
    if score.language == "en":
        return _renamed(score, _unstressed)
    return _renamed(score, lambda phone: ipa.of_language(phone, score.language))


def to_published(score: MusicScore) -> MusicScore:
    """Phones of a data directory to those that GTSinger's files have (English: no stress)."""
    if score.language == "zh":
        return from_opencpop(score)
    prefix = ipa.of_language("", score.language)
    return _renamed(score, lambda phone: phone.removeprefix(prefix))


def _unstressed(phone: str) -> str:
    return phone[:-1] if phone[-1:] in ("0", "1", "2") else phone


def _renamed(score: MusicScore, name: Callable[[str], str]) -> MusicScore:
    notes = tuple(
        note if note.is_rest else replace(note, phones=tuple(map(name, note.phones)))
        for note in score.notes
    )
    phones = tuple(
        phone if notes[phone.note].is_rest else replace(phone, phone=name(phone.phone))
        for phone in score.phones
    )
    return replace(score, notes=notes, phones=phones)
