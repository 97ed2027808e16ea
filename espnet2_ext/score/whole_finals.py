"""Mandarin phones as M4Singer and GTSinger write them, to and from Opencpop's.

Theirs are 21 initials and whole finals: yan is ``ian``, wo is ``uo``, jiu is ``j iou``. Opencpop
writes ``y an``, ``w o`` and ``j iu``. Only Opencpop's come out of lyrics, so that is what a model
should learn. A glide (y, w) that they do not mark is cut off the start of its final.
"""

from collections.abc import Callable
from dataclasses import replace

from espnet2_ext.score.music_score import MusicScore, Note, Phone

_INITIALS = "b c ch d f g h j k l m n p q r s sh t x z zh"
_FINALS = (
    "a ai an ang ao e ei en eng er i ia ian iang iao ie in ing io iong iou o ong ou "
    "u ua uai uan uang uei uen ueng uo v van ve vn"
)
INITIALS = tuple(_INITIALS.split())
FINALS = tuple(_FINALS.split())
SYLLABIC = ("m", "n")  # initials that are sung alone, as in 嗯
GLIDE_SEC = 0.06  # of a glide that the corpus does not mark; never more than a third of the final
_AFTER_INITIAL = {"iou": "iu", "uei": "ui", "uen": "un"}
_ALONE = {
    "i": "y i",
    "ia": "y a",
    "ian": "y an",
    "iang": "y ang",
    "iao": "y ao",
    "ie": "y e",
    "in": "y in",
    "ing": "y ing",
    "io": "y o",
    "iong": "y ong",
    "iou": "y ou",
    "u": "w u",
    "ua": "w a",
    "uai": "w ai",
    "uan": "w an",
    "uang": "w ang",
    "uei": "w ei",
    "uen": "w en",
    "ueng": "w eng",
    "uo": "w o",
    "v": "y v",
    "van": "y van",
    "ve": "y ve",
    "vn": "y vn",
}
_TO_OPENCPOP = {(whole,): tuple(phones.split()) for whole, phones in _ALONE.items()}
_FROM_OPENCPOP = {phones: whole for whole, phones in _TO_OPENCPOP.items()}
_INITIAL_FORM = {short: whole for whole, short in _AFTER_INITIAL.items()}


def _opencpop_phones(phones: tuple[str, ...]) -> tuple[str, ...]:
    if len(phones) == 2:
        return phones[0], _AFTER_INITIAL.get(phones[1], phones[1])
    return _TO_OPENCPOP.get(phones, phones)


def _whole_phones(phones: tuple[str, ...]) -> tuple[str, ...]:
    if len(phones) == 2 and phones[0] not in ("y", "w"):
        return phones[0], _INITIAL_FORM.get(phones[1], phones[1])
    return _FROM_OPENCPOP.get(phones, phones)


def _convert(
    score: MusicScore, phones_of_syllable: Callable[[tuple[str, ...]], tuple[str, ...]]
) -> list[tuple[str, ...]]:
    """New phones of each note; a slur goes on with the end of its syllable, as it was written."""
    converted: list[tuple[str, ...]] = []
    syllable: tuple[str, ...] = ()  # as written, from its first note on
    for note in score.notes:
        if note.is_rest:
            syllable, new = (), note.phones
        elif note.slur and syllable and note.phones == syllable[-1:]:
            new = phones_of_syllable(syllable)[-1:]
        elif note.slur and len(syllable) == 1 and syllable[0] in INITIALS:
            # The initial has a note of its own, its final the next.
            syllable += note.phones
            new = phones_of_syllable(syllable)[1:]
        else:
            syllable, new = note.phones, phones_of_syllable(note.phones)
        converted.append(new)
    return converted


def to_opencpop(score: MusicScore) -> MusicScore:
    """The score in Opencpop's phones; every note's performed phones are its `phones`."""
    converted = _convert(score, _opencpop_phones)
    performed: list[Phone] = []
    for phone in score.phones:
        new, old = converted[phone.note], score.notes[phone.note].phones
        if len(new) == len(old):
            position = sum(other.note == phone.note for other in performed)
            performed.append(replace(phone, phone=new[position]))
            continue
        glide = min(GLIDE_SEC, (phone.end_sec - phone.start_sec) / 3)
        middle = round(phone.start_sec + glide, 6)
        performed.append(Phone(phone.start_sec, middle, new[0], phone.note))
        performed.append(Phone(middle, phone.end_sec, new[1], phone.note))
    return _rebuilt(score, converted, performed)


def from_opencpop(score: MusicScore) -> MusicScore:
    """The score in whole finals; where a glide ended and its final began is lost."""
    converted = _convert(score, _whole_phones)
    performed: list[Phone] = []
    for phone in score.phones:
        new, old = converted[phone.note], score.notes[phone.note].phones
        previous = performed[-1] if performed else None
        if len(new) < len(old) and previous is not None and previous.note == phone.note:
            performed[-1] = replace(previous, end_sec=phone.end_sec)
            continue
        position = 0 if previous is None or previous.note != phone.note else 1
        performed.append(replace(phone, phone=new[min(position, len(new) - 1)]))
    return _rebuilt(score, converted, performed)


def _rebuilt(
    score: MusicScore, phones: list[tuple[str, ...]], performed: list[Phone]
) -> MusicScore:
    notes: list[Note] = [
        replace(note, phones=new) for note, new in zip(score.notes, phones, strict=True)
    ]
    return replace(score, notes=tuple(notes), phones=tuple(performed))
