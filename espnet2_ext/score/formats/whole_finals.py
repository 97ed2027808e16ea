"""Mandarin phones as M4Singer and GTSinger write them, to and from Opencpop's.

Theirs are 21 initials and whole finals: yan is ``ian``, wo is ``uo``, jiu is ``j iou``. Opencpop
writes ``y an``, ``w o`` and ``j iu``. Only Opencpop's come out of lyrics, so that is what a model
should learn. A glide (y, w) that they do not mark is cut off the start of its final.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import groupby

from espnet2_ext.score.music_score import MusicScore, Phone

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
    """The score in Opencpop's phones; every note is performed as its `phones` say."""
    return _rewritten(score, _opencpop_phones)


def from_opencpop(score: MusicScore) -> MusicScore:
    """The score in whole finals; where a glide ended and its final began is lost."""
    return _rewritten(score, _whole_phones)


def _rewritten(
    score: MusicScore, phones_of_syllable: Callable[[tuple[str, ...]], tuple[str, ...]]
) -> MusicScore:
    converted = _convert(score, phones_of_syllable)
    performed: list[Phone] = []
    for index, group in groupby(score.phones, key=lambda phone: phone.note):
        spans, names = list(group), converted[index]
        if len(names) > len(spans):
            whole = spans[0]
            glide = min(GLIDE_SEC, (whole.end_sec - whole.start_sec) / 3)
            middle = round(whole.start_sec + glide, 6)
            spans = [replace(whole, end_sec=middle), replace(whole, start_sec=middle)]
        elif len(names) < len(spans):
            spans = [replace(spans[0], end_sec=spans[-1].end_sec)]
        performed += [replace(s, phone=name) for s, name in zip(spans, names, strict=True)]
    notes = tuple(
        replace(note, phones=new) for note, new in zip(score.notes, converted, strict=True)
    )
    return replace(score, notes=notes, phones=tuple(performed))
