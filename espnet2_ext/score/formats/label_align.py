"""Which phones of a mono label sing which notes of a score: both have the same phones, in order."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.label_phones import phone_of
from espnet2_ext.score.formats.mono_lines import MonoLine
from espnet2_ext.score.lyrics.languages import Language
from espnet2_ext.score.music_score import REST_PHONES, MusicScore, Note

# Kana that are also sung as they are spoken: particles, and vowels that lengthen the one before.
_SPOKEN = {("ja", ("h", "a")): ("w", "a"), ("ja", ("h", "e")): ("e",), ("ja", ("o",)): ("w", "o")}
_PARTICLES = {"は": ("h", "a"), "へ": ("h", "e"), "を": ("o",)}
_LENGTHENED = {("う", "o"): "o", ("い", "e"): "e"}


@dataclass(frozen=True)
class LabelPhone:
    """A phone of a label in the language's own name, SP or AP for a rest; times in s."""

    start_sec: float
    end_sec: float
    phone: str
    place: str


@dataclass
class AlignedWord:
    """A syllable of the score, its notes, and the phones of the label that sing it.

    Args:
        notes: Its note and the slurs that go on with it.
        before: Rests of the label before it.
        head: Its phones before the vowel.
        vowels: Its vowel, once, or more often where the label has it again on slurs.
        coda: Its phones after the vowel.
    """

    notes: list[Note]
    before: list[LabelPhone] = field(default_factory=list)
    head: list[LabelPhone] = field(default_factory=list)
    vowels: list[LabelPhone] = field(default_factory=list)
    coda: list[LabelPhone] = field(default_factory=list)
    after_rest: bool = False

    @property
    def phones(self) -> tuple[str, ...]:
        """As the score has them, each once."""
        return (*self.notes[0].phones, *(p for note in self.notes[1:] for p in note.phones[1:]))


def label_phones(lines: Sequence[MonoLine], spoken: Language) -> list[LabelPhone]:
    """The phones of a label; rests of one kind that follow each other are one, and time is from 0.

    Raises:
        UserError: naming the line whose phone the language does not have.
    """
    phones: list[LabelPhone] = []
    for line in lines:
        name = phone_of(line.phone, spoken, line.place)
        phone = LabelPhone(line.start_sec, line.end_sec, name, line.place)
        if not phones and line.start_sec > 0:
            phones.append(LabelPhone(0.0, line.start_sec, REST_PHONES[0], line.place))
        if phones and name in REST_PHONES and phones[-1].phone == name:
            phone = LabelPhone(phones[-1].start_sec, line.end_sec, name, phones.pop().place)
        phones.append(phone)
    return phones


def align(
    score: MusicScore, label: Sequence[LabelPhone], spoken: Language, score_path: object
) -> tuple[list[AlignedWord], list[LabelPhone], int]:
    """The syllables of a score with the label's phones, in order.

    A vowel that a slur goes on with may stand in the label once, or once per note. Rests of the
    label stand where the singer rests, which need not be where the score does. Kana that are
    spoken otherwise than written may be sung so: the particles は, へ and を, う after o, い
    after e.

    Args:
        score: With phones of its notes.
        label: Of `label_phones`.
        spoken: The language of both.
        score_path: The score's file, for errors.

    Returns:
        tuple: The syllables, the rests of the label after the last, and how many syllables are sung
        otherwise than written.

    Raises:
        UserError: naming the line of the first phone that the score does not have there, what the
            label has and what the score.
    """
    words = _words(score)
    position, otherwise = 0, 0
    last_vowel = ""
    for index, word in enumerate(words):
        while position < len(label) and label[position].phone in REST_PHONES:
            word.before.append(label[position])
            position += 1
        phones = _as_sung(word, label[position : position + 2], spoken.code, last_vowel)
        otherwise += phones != word.phones
        vowel = spoken.nucleus(phones)
        for at, phone in enumerate(phones):
            found = _expect(label, position, phone, word, score_path)
            position += 1
            part = word.head if at < vowel else word.vowels if at == vowel else word.coda
            part.append(found)
            if at == vowel:
                spare = 0 if at + 1 < len(phones) else _needed(words, index + 1, phone)
                more = _repeated(label, position, phone, len(word.notes) - 1 + spare) - spare
                more = max(0, more)
                word.vowels += label[position : position + more]
                position += more
        last_vowel = word.vowels[0].phone
    after = []
    for phone in label[position:]:
        if phone.phone not in REST_PHONES:
            expected = f"the end: {score_path} has no more notes"
            raise UserError(phone.place, f"phone {phone.phone!r}", expected)
        after.append(phone)
    return words, after, otherwise


def _words(score: MusicScore) -> list[AlignedWord]:
    words: list[AlignedWord] = []
    rested = False
    for note in score.notes:
        if note.slur:
            words[-1].notes.append(note)
        elif not note.is_rest:
            words.append(AlignedWord([note], after_rest=rested))
        rested = note.is_rest
    return words


def _as_sung(
    word: AlignedWord, label: Sequence[LabelPhone], language: str, last_vowel: str
) -> tuple[str, ...]:
    """The phones of a syllable: as it is spoken, where the label has it so."""
    phones, lyric = word.phones, word.notes[0].lyric
    found = tuple(phone.phone for phone in label)
    other: tuple[str, ...] = ()
    if _PARTICLES.get(lyric) == phones:
        other = _SPOKEN.get((language, phones), ())
    elif language == "ja" and (lyric, last_vowel) in _LENGTHENED:
        other = (_LENGTHENED[lyric, last_vowel],)
    if other and found[: len(other)] == other and found[: len(phones)] != phones:
        return other
    return phones


def _expect(
    label: Sequence[LabelPhone], position: int, phone: str, word: AlignedWord, score_path: object
) -> LabelPhone:
    note = word.notes[0]
    expected = f"{phone!r} of {note.lyric!r} at {note.start_sec:.2f} s in {score_path}"
    if position == len(label):
        raise UserError(label[-1].place, "the label ends", expected)
    found = label[position]
    if found.phone != phone:
        raise UserError(found.place, f"phone {found.phone!r}", expected)
    return found


def _repeated(label: Sequence[LabelPhone], position: int, vowel: str, most: int) -> int:
    """How often the label has a vowel from a position on, counted up to `most`."""
    end = min(len(label), position + most)
    return next((i for i in range(position, end) if label[i].phone != vowel), end) - position


def _needed(words: Sequence[AlignedWord], index: int, vowel: str) -> int:
    """How often the syllables from an index on, up to a rest, begin with nothing but a vowel."""
    needed = 0
    while index + needed < len(words):
        word = words[index + needed]
        if word.after_rest or word.phones[0] != vowel:
            break
        needed += 1
        if len(word.phones) > 1:
            break
    return needed
