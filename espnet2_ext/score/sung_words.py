"""Syllables with all their notes, as formats have them that do not repeat a vowel at a slur."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from espnet2_ext.score.languages import language_of
from espnet2_ext.score.music_score import REST_MIDI, SLUR_LYRIC, MusicScore, Note, Phone


@dataclass
class SungWord:
    """A syllable or a rest.

    Args:
        lyric: As written; empty for a rest.
        notes: (start, end, midi) of its note and of the slurs that go on with it (s).
        phones: Each once, however many notes the vowel is sung on.
        times: (start, end) of each phone as performed (s); empty while unknown.
    """

    lyric: str
    notes: list[tuple[float, float, int]]
    phones: list[str]
    times: list[tuple[float, float]] = field(default_factory=list)

    @property
    def is_rest(self) -> bool:
        return self.notes[0][2] == REST_MIDI


def words_of(score: MusicScore) -> list[SungWord]:
    """The syllables and rests of a score, slurs joined to what they go on with."""
    times: list[list[tuple[float, float]]] = [[] for _ in score.notes]
    for phone in score.phones:
        times[phone.note].append((phone.start_sec, phone.end_sec))
    words: list[SungWord] = []
    for note, spans in zip(score.notes, times, strict=True):
        span = (note.start_sec, note.end_sec, note.midi)
        if not note.slur:
            words.append(SungWord(note.lyric, [span], list(note.phones), spans))
            continue
        word = words[-1]  # its last phone is the vowel, which is this note's first
        word.notes.append(span)
        word.phones += note.phones[1:]
        if spans and word.times:
            word.times[-1] = (word.times[-1][0], spans[0][1])
            word.times += spans[1:]
    return words


def score_of(words: Sequence[SungWord], tempo: float, language: str) -> MusicScore:
    """Build the score: a vowel sung on several notes is cut where the notes change.

    Args:
        words: In time order; phone times in all of them or in none.
        tempo: Beats per minute.
        language: ISO 639 code.

    Raises:
        ValueError: what `MusicScore` refuses.
    """
    spoken = language_of(language)
    notes: list[Note] = []
    phones: list[Phone] = []
    for word in words:
        vowel = spoken.nucleus(word.phones)
        last = len(word.notes) - 1
        for index, (start, end, midi) in enumerate(word.notes):
            sung = slice(vowel if index else 0, None if index == last else vowel + 1)
            lyric = SLUR_LYRIC if index else word.lyric
            notes.append(Note(start, end, midi, lyric, tuple(word.phones[sung]), index > 0))
            for name, (begin, stop) in zip(word.phones[sung], word.times[sung], strict=False):
                is_vowel = name is word.phones[vowel] and (begin, stop) == word.times[vowel]
                if is_vowel and index:
                    begin = min(max(begin, start), stop)
                if is_vowel and index < last:
                    stop = max(min(stop, end), begin)
                phones.append(Phone(begin, stop, name, len(notes) - 1))
    return MusicScore(tuple(notes), tuple(phones), tempo, language)
