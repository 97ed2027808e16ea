"""Songs by a phrase grammar: form, rhythm, melody and words, drawn from a seed."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from espnet2_ext.corpora.mini.singers import Singer
from espnet2_ext.corpora.mini.words import SungSyllable, SungWord, always_its_own
from espnet2_ext.score.lyrics.languages import nucleus_of
from espnet2_ext.score.music_score import BREATH, SILENCE, SLUR_LYRIC, MusicScore, Note

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "major pentatonic": (0, 2, 4, 7, 9),
    "minor pentatonic": (0, 3, 5, 7, 10),
}
"""Semitones above the tonic."""
_SCALE_WEIGHTS = {"major": 0.4, "major pentatonic": 0.35, "minor pentatonic": 0.25}
_STEPS = (-4, -3, -2, -1, 0, 1, 2, 3, 4)
_STEP_WEIGHTS = (0.02, 0.04, 0.13, 0.25, 0.12, 0.25, 0.13, 0.04, 0.02)
_SECTION_PHRASES = 4
_SLUR_RATE = 0.14
_MIN_SLUR_SEC = 0.2


@dataclass(frozen=True, slots=True)
class Metre:
    """Bars in quarter notes: tempo range (quarters per minute), bars of a phrase, rhythms."""

    name: str
    tempi: tuple[int, int]
    bars: int
    inner: tuple[tuple[float, ...], ...]
    closing: tuple[tuple[float, ...], ...]


METRES = (
    Metre(
        "4/4",
        (68, 112),
        2,
        (
            (1, 1, 1, 1),
            (0.5, 0.5, 1, 1, 1),
            (1, 0.5, 0.5, 1, 1),
            (1, 1, 0.5, 0.5, 1),
            (0.5, 0.5, 0.5, 0.5, 1, 1),
            (1.5, 0.5, 1, 1),
            (1.5, 0.5, 1.5, 0.5),
            (2, 1, 1),
            (0.5, 1, 0.5, 1, 1),
        ),
        ((1, 1, 2), (0.5, 0.5, 1, 2), (1, 0.5, 0.5, 2), (1.5, 0.5, 2), (2, 2), (1, 3)),
    ),
    Metre(
        "2/4",
        (72, 116),
        4,
        ((1, 1), (0.5, 0.5, 1), (1, 0.5, 0.5), (0.5, 0.5, 0.5, 0.5), (1.5, 0.5), (2,)),
        ((2,), (1, 1), (0.5, 0.5, 1), (0.5, 1.5)),
    ),
    Metre(
        "3/4",
        (92, 144),
        4,
        ((1, 1, 1), (2, 1), (1, 2), (1.5, 0.5, 1), (1, 1, 0.5, 0.5), (0.5, 0.5, 1, 1)),
        ((3,), (2, 1), (1, 2)),
    ),
    Metre(
        "6/8",
        (88, 126),
        3,
        ((1, 0.5, 1, 0.5), (0.5, 0.5, 0.5, 1, 0.5), (1.5, 1, 0.5), (1, 0.5, 1.5), (1.5, 1.5)),
        ((1, 0.5, 1.5), (3,), (1.5, 1.5)),
    ),
)
_METRE_WEIGHTS = (0.45, 0.2, 0.2, 0.15)


@dataclass(frozen=True, slots=True)
class SungPhrase:
    """One utterance as written.

    Args:
        score: Nominal, without phone times; its lyrics name the voice's units.
        written: The lyrics, one per syllable.
        words: What they are syllables of.
    """

    score: MusicScore
    written: tuple[str, ...]
    words: tuple[SungWord, ...] = ()


@dataclass(frozen=True, slots=True)
class Song:
    """A song for one singer. `number` is its four-digit id; `tempo` in quarters per minute."""

    number: int
    singer: Singer
    metre: str
    scale: str
    tempo: int
    phrases: tuple[SungPhrase, ...]

    def utterance_id(self, phrase_index: int) -> str:
        """Opencpop's form: four digits of the song, six of the segment."""
        return f"{self.number:04d}{phrase_index + 1:06d}"


class WordChooser:
    """Draws words so that no phone stays rare: a word counts by its rarest phone so far.

    Args:
        words: To be drawn from.
        balance: How strongly rare phones are asked for.
        language: ISO 639 code of the words.
        unit_of: As `words.Lyrics` has it.
    """

    def __init__(
        self,
        words: Sequence[SungWord],
        balance: float = 3.0,
        language: str = "zh",
        unit_of: Callable[[SungSyllable, str | None], str] = always_its_own,
    ) -> None:
        self.language, self.unit_of = language, unit_of
        self._words = tuple(words)
        self._phones = {word: [p for s in word.sung for p in s.phones] for word in words}
        self._lengths = {word: len(word.sung) for word in words}
        self._balance = balance
        self._longest = max(self._lengths.values())
        self._counts: Counter[str] = Counter()

    def fill(self, n_syllables: int, rng: np.random.Generator) -> list[SungWord]:
        """Return words of `n_syllables` in all, no word twice in a row."""
        chosen: list[SungWord] = []
        left = n_syllables
        while left:
            fitting = [
                word
                for word in self._words
                if self._lengths[word] <= left and (not chosen or word != chosen[-1])
            ]
            weights = np.array([self._weight(word) for word in fitting])
            word = fitting[rng.choice(len(fitting), p=weights / weights.sum())]
            chosen.append(word)
            self._counts.update(self._phones[word])
            left -= self._lengths[word]
        return chosen

    def _weight(self, word: SungWord) -> float:
        # Short words fill gaps that long ones leave, so they are asked for less.
        rarest = min(self._counts[phone] for phone in self._phones[word])
        short = 0.3 if self._lengths[word] < self._longest else 1.0
        return short / (1 + rarest) ** self._balance


@dataclass(frozen=True, slots=True)
class Setting:
    """What a melody is drawn in.

    Args:
        metre: One of `METRES`.
        scale: One of `SCALES`.
        tempo: Quarters per minute.
        tonic: A MIDI number of the key's tonic.
        low_midi: Lowest note.
        high_midi: Highest note.
    """

    metre: Metre
    scale: str
    tempo: int
    tonic: int
    low_midi: int
    high_midi: int

    @property
    def pitches(self) -> list[int]:
        """The notes of the scale within the range."""
        degrees = SCALES[self.scale]
        notes = range(self.low_midi, self.high_midi + 1)
        return [midi for midi in notes if (midi - self.tonic) % 12 in degrees]


@dataclass(slots=True)
class Slot:
    """A note before it has words: `quarters` long; midi 0 is a rest, sung as `rest`; or a slur."""

    quarters: float
    midi: int = 0
    slur: bool = False
    rest: str = BREATH


def compose(
    number: int,
    singer: Singer,
    n_phrases: int,
    words: WordChooser,
    rng: np.random.Generator,
) -> Song:
    """Compose a song of `n_phrases` utterances of about 3 to 10 s in the singer's range."""
    setting = _draw_setting(singer, rng)
    pitches = setting.pitches
    verse, refrain = melodies(setting, rng)
    refrain_phrases = [_with_words(slots, setting.tempo, words, rng) for slots in refrain]
    phrases: list[SungPhrase] = []
    while len(phrases) < n_phrases:
        if len(phrases) % (2 * _SECTION_PHRASES) == 0:  # verse and refrain by turns
            for slots in verse:
                varied = _varied(slots, pitches, rng)
                phrases.append(_with_words(varied, setting.tempo, words, rng))
        else:
            phrases += refrain_phrases
    metre, scale = setting.metre.name, setting.scale
    return Song(number, singer, metre, scale, setting.tempo, tuple(phrases[:n_phrases]))


def _draw_setting(singer: Singer, rng: np.random.Generator) -> Setting:
    metre = METRES[rng.choice(len(METRES), p=_METRE_WEIGHTS)]
    scale = list(_SCALE_WEIGHTS)[rng.choice(len(_SCALE_WEIGHTS), p=list(_SCALE_WEIGHTS.values()))]
    tempo = int(rng.integers(metre.tempi[0], metre.tempi[1] + 1))
    tonic = singer.low_midi + int(rng.integers(0, 12))
    return Setting(metre, scale, tempo, tonic, singer.low_midi, singer.high_midi)


def melodies(
    setting: Setting, rng: np.random.Generator
) -> tuple[list[list[Slot]], list[list[Slot]]]:
    """A verse and a refrain, of four phrases each; the refrain lies higher."""
    pitches = setting.pitches
    verse = pitches[: -len(pitches) // 4 or None]
    refrain = pitches[len(pitches) // 4 :]
    metre, tempo, tonic = setting.metre, setting.tempo, setting.tonic
    return (
        _section(metre, tempo, verse, tonic, rng),
        _section(metre, tempo, refrain, tonic, rng),
    )


def _section(
    metre: Metre, tempo: int, pitches: list[int], tonic: int, rng: np.random.Generator
) -> list[list[Slot]]:
    """Four phrases A B A' C: the last ends on the tonic, the others on another chord tone."""
    phrases: list[list[Slot]] = []
    first = _rhythm(metre, rng)
    for index in range(_SECTION_PHRASES):
        rhythm = first if index == 2 else _rhythm(metre, rng)
        if index == 2:
            phrases.append(_varied(phrases[0], pitches, rng))
            continue
        targets = (0,) if index == _SECTION_PHRASES - 1 else (4, 7, 3, 2)
        phrases.append(_melody(rhythm, pitches, tonic, targets, tempo, rng))
        if index == 0:
            first = rhythm
    return phrases


def _rhythm(metre: Metre, rng: np.random.Generator) -> list[tuple[float, bool]]:
    """Draw (quarters, is a breath) over the bars of a phrase, rests at the ends apart."""
    slots: list[tuple[float, bool]] = []
    for bar in range(metre.bars):
        closing = bar == metre.bars - 1
        choices = metre.closing if closing else metre.inner
        slots += [(quarters, False) for quarters in choices[rng.integers(len(choices))]]
        middle = metre.bars // 2 == bar + 1
        if middle and slots[-1][0] >= 1 and rng.random() < 0.3:
            quarters = slots.pop()[0]
            slots += [(quarters - 0.5, False), (0.5, True)]
    return slots


def _melody(
    rhythm: list[tuple[float, bool]],
    pitches: list[int],
    tonic: int,
    targets: tuple[int, ...],
    tempo: int,
    rng: np.random.Generator,
) -> list[Slot]:
    """A walk over the scale, drawn to chord tones on long notes, ending on a target degree."""
    n_sung = sum(not rest for _, rest in rhythm)
    ends = [i for i, midi in enumerate(pitches) if (midi - tonic) % 12 in targets]
    end = int(rng.choice(ends)) if ends else len(pitches) // 2
    at = int(np.clip(end + rng.integers(-3, 4), 0, len(pitches) - 1))
    slots: list[Slot] = []
    sung = 0
    for quarters, rest in rhythm:
        if rest:
            slots.append(Slot(quarters))
            continue
        sung += 1
        left = n_sung - sum(not s.slur and s.midi > 0 for s in slots) - 1
        if left == 0:
            at = end
        elif slots:
            weights = np.array(_STEP_WEIGHTS)
            for i, step in enumerate(_STEPS):
                to = at + step
                if not 0 <= to < len(pitches):
                    weights[i] = 0
                    continue
                if (pitches[to] - tonic) % 12 in (0, 4, 7) and quarters >= 1:
                    weights[i] *= 2
                weights[i] *= np.exp(-max(0, abs(to - end) - 2 * left) / 1.5)
            at += int(_STEPS[rng.choice(len(_STEPS), p=weights / weights.sum())])
        slots.append(Slot(quarters, pitches[at]))
        half_sec = quarters / 2 * 60 / tempo
        if quarters >= 1 and half_sec >= _MIN_SLUR_SEC and rng.random() < _SLUR_RATE:
            to = at + int(rng.choice((-2, -1, 1, 2)))
            if 0 <= to < len(pitches):
                slots[-1].quarters = quarters / 2
                slots.append(Slot(quarters / 2, pitches[to], slur=True))
                at = to if left else at
    return slots


def _varied(slots: list[Slot], pitches: list[int], rng: np.random.Generator) -> list[Slot]:
    """Repeat a phrase with an occasional neighbouring note in its inside."""
    varied = [Slot(slot.quarters, slot.midi, slot.slur) for slot in slots]
    for slot in varied[1:-1]:
        if slot.midi in pitches and not slot.slur and rng.random() < 0.2:
            index = pitches.index(slot.midi) + int(rng.choice((-1, 1)))
            slot.midi = pitches[int(np.clip(index, 0, len(pitches) - 1))]
    return varied


def _with_words(
    slots: list[Slot], tempo: int, words: WordChooser, rng: np.random.Generator
) -> SungPhrase:
    """Put words under a phrase, and mostly rests before and after it."""
    chosen = words.fill(_n_syllables(slots), rng)
    quarters = 0.5 if 60 / tempo > 0.6 else 1.0
    before = []
    if rng.random() < 0.8:
        before = [Slot(quarters, rest=BREATH if rng.random() < 0.4 else SILENCE)]
    after = [Slot(quarters, rest=SILENCE)] if rng.random() < 0.8 else []
    return _sung([*before, *slots, *after], tempo, chosen, words)


def put_words(
    slots: Sequence[Slot], tempo: int, words: WordChooser, rng: np.random.Generator
) -> SungPhrase:
    """Put words under a melody whose rests are all there."""
    return _sung(slots, tempo, words.fill(_n_syllables(slots), rng), words)


def _n_syllables(slots: Sequence[Slot]) -> int:
    return sum(slot.midi > 0 and not slot.slur for slot in slots)


def _sung(
    slots: Sequence[Slot], tempo: int, chosen: Sequence[SungWord], words: WordChooser
) -> SungPhrase:
    syllables = [syllable for word in chosen for syllable in word.sung]
    following = iter(syllables)
    quarter_sec = 60 / tempo
    notes: list[Note] = []
    at = 0.0
    phones: tuple[str, ...] = ()  # of the syllable that is sung
    nucleus = 0
    before: str | None = None
    for index, slot in enumerate(slots):
        end = at + slot.quarters
        span = (at * quarter_sec, end * quarter_sec)
        at = end
        if not slot.midi:
            notes.append(Note(*span, 0, "", (slot.rest,)))
            before = None
            continue
        lyric = SLUR_LYRIC
        if not slot.slur:
            syllable = next(following)
            lyric = words.unit_of(syllable, before)
            phones = syllable.phones
            nucleus = nucleus_of(phones, words.language)
        # A syllable's closing consonants stand on the last of its notes.
        held = index + 1 < len(slots) and slots[index + 1].slur
        sung = phones[nucleus if slot.slur else 0 : nucleus + 1 if held else None]
        before = phones[-1]
        notes.append(Note(*span, slot.midi, lyric, sung, slot.slur))
    score = MusicScore(tuple(notes), tempo=float(tempo), language=words.language)
    return SungPhrase(score, tuple(syllable.written for syllable in syllables), tuple(chosen))
