"""Which phones of a mono label sing which notes of a score: both have the same phones, in order."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.label_phones import phone_of
from espnet2_ext.score.formats.mono_lines import MonoLine
from espnet2_ext.score.lyrics.languages import Language
from espnet2_ext.score.music_score import REST_PHONES, MusicScore, Note

MAX_WAYS = 64
"""To sing the syllables so far, of which the best are kept: where one vowel follows another."""

# Kana that are also sung as they are spoken: particles on a note of their own, を anywhere, and
# vowels that lengthen the one before them.
_PARTICLES = {"は": "わ", "へ": "え", "ハ": "わ", "ヘ": "え"}
_LENGTHENED = {("う", "o"), ("い", "e")}


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
    label stand where the singer rests, which need not be where the score does. Where a vowel could
    belong to either of two syllables, as many rests as can be agree, then the times. Kana that
    are spoken otherwise than written may be sung so: the particles は, へ and を, う after o, い
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
    search = _Search(label, spoken, score_path)
    for word in words:
        search.sing(word)
    takes, end = search.best()
    for word, take in zip(words, takes, strict=True):
        head = take.start + spoken.nucleus(take.phones)
        vowels = head + 1 + take.repeats
        word.before = list(label[take.begin : take.start])
        word.head, word.vowels = list(label[take.start : head]), list(label[head:vowels])
        word.coda = list(label[vowels : take.end])
    otherwise = sum(take.phones != word.phones for word, take in zip(words, takes, strict=True))
    return words, list(label[end:]), otherwise


@dataclass(frozen=True)
class _Take:
    """A way to sing a syllable and those before it.

    Its rests begin at `begin`, its phones at `start`, and end at `end`; its vowel stands there
    `repeats` times again. The cost of it all is how many rests label or score alone have so far,
    then by how much (s) the notes' starts differ from the first one's lead in the label.
    """

    before: "_Take | None"
    begin: int
    start: int
    end: int
    phones: tuple[str, ...]
    repeats: int
    cost: tuple[int, float]


class _Search:
    """The ways to sing the syllables so far, the best one for each end in the label."""

    def __init__(self, label: Sequence[LabelPhone], spoken: Language, score_path: object) -> None:
        self.label, self.spoken, self.score_path = label, spoken, score_path
        self.takes: dict[int, _Take | None] = {0: None}
        self.words: list[AlignedWord] = []
        self.last_vowel = ""
        self.lead = 0.0  # of the first syllable's phones before its note (s)
        self.wanted = (0, "")  # the furthest place at which a phone was missing, and which

    def _rests_end(self, position: int) -> int:
        while position < len(self.label) and self.label[position].phone in REST_PHONES:
            position += 1
        return position

    def sing(self, word: AlignedWord) -> None:
        """Go on with a syllable; raises `UserError` where there is no way to."""
        takes: dict[int, _Take | None] = {}
        self.wanted = (-1, "")
        for begin, before in self.takes.items():
            start = self._rests_end(begin)
            cost = self._cost(word, before, begin, start)
            for phones in self._readings(word):
                for end, repeats in self._ends(start, phones, len(word.notes) - 1):
                    known = takes.get(end)
                    if known is None or cost < known.cost:
                        takes[end] = _Take(before, begin, start, end, phones, repeats, cost)
        if not takes:
            raise self._error(word)
        kept = sorted(filter(None, takes.values()), key=lambda take: take.cost)[:MAX_WAYS]
        self.takes = {take.end: take for take in kept}
        self.words.append(word)
        self.last_vowel = word.phones[self.spoken.nucleus(word.phones)]

    def _cost(
        self, word: AlignedWord, before: _Take | None, begin: int, start: int
    ) -> tuple[int, float]:
        unlike, apart = before.cost if before else (0, 0.0)
        lead = 0.0
        if start < len(self.label):
            lead = self.label[start].start_sec - word.notes[0].start_sec
        if before is None:
            self.lead = lead
        return unlike + ((start > begin) != word.after_rest), apart + abs(lead - self.lead)

    def _ends(self, start: int, phones: tuple[str, ...], slurs: int) -> list[tuple[int, int]]:
        """Where the phones of a syllable can end, and how often its vowel is repeated then."""
        vowel = self.spoken.nucleus(phones)
        head = self._matched(start, phones[: vowel + 1])
        if head is None:
            return []
        ends = []
        for repeats in range(slurs + 1):
            end = self._matched(head + repeats, phones[vowel + 1 :])
            if end is not None:
                ends.append((end, repeats))
            if self._matched(head + repeats, phones[vowel : vowel + 1], note=False) is None:
                break
        return ends

    def _matched(self, position: int, phones: tuple[str, ...], note: bool = True) -> int | None:
        """The place after phones that stand at a position; None where others do."""
        for index, phone in enumerate(phones, position):
            if index >= len(self.label) or self.label[index].phone != phone:
                if note and index > self.wanted[0]:
                    self.wanted = (index, phone)
                return None
        return position + len(phones)

    def _readings(self, word: AlignedWord) -> list[tuple[str, ...]]:
        """The phones of a syllable as written, and as it is spoken where that differs."""
        lyric = word.notes[0].lyric
        other: tuple[str, ...] = ()
        if self.spoken.code == "ja" and (lyric, self.last_vowel) in _LENGTHENED:
            other = (self.last_vowel,)
        elif self.spoken.code == "ja":
            spelled = _PARTICLES.get(lyric, lyric.replace("を", "うぉ").replace("ヲ", "うぉ"))
            if spelled != lyric:
                other = tuple(p for mora in self.spoken.read(spelled) for p in mora.phones)
        return [word.phones, other] if other else [word.phones]

    def _error(self, word: AlignedWord) -> UserError:
        note = word.notes[0]
        position, phone = self.wanted
        at = f"{note.lyric!r} at {note.start_sec:.2f} s in {self.score_path}"
        if position >= len(self.label):
            return UserError(self.label[-1].place, "the label ends", f"{phone!r} of {at}")
        found = self.label[position]
        return UserError(found.place, f"phone {found.phone!r}", f"{phone!r} of {at}")

    def best(self) -> tuple[list[_Take], int]:
        """The way after which only rests follow, with the fewest rests unlike, and its end."""
        ends = {e: t for e, t in self.takes.items() if self._rests_end(e) == len(self.label)}
        if not ends:
            phone = self.label[self._rests_end(max(self.takes))]
            expected = f"the end: {self.score_path} has no more notes"
            raise UserError(phone.place, f"phone {phone.phone!r}", expected)
        end, last = min(ends.items(), key=lambda item: item[1].cost if item[1] else (0, 0.0))
        takes: list[_Take] = []
        while last is not None:
            takes.append(last)
            last = last.before
        return takes[::-1], end


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
