"""Between scores and formats that have phones of their own: syllables with all their notes."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.aliases import rest_phone
from espnet2_ext.score.formats.assemble import SungNote, assemble
from espnet2_ext.score.lyrics.languages import LANGUAGES, Language, language_of
from espnet2_ext.score.music_score import REST_MIDI, SILENCE, SLUR_LYRIC, MusicScore, Note, Phone

_OTHER_NAMES = {"zh": {"ir": "i", "i0": "i", "E": "e", "En": "an"}}


@dataclass
class SungWord:
    """A syllable or a rest.

    Args:
        lyric: As written; SP or AP for a rest.
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


def lyric_of(note: Note) -> str:
    """The lyric to write for a note: its phones joined where it has none, SP or AP for a rest."""
    if note.is_rest:
        return note.phones[0] if note.phones else SILENCE
    phones = "".join(note.phones)
    return phones if note.lyric in ("", "_".join(note.phones)) else note.lyric


def as_read(
    rows: Sequence[tuple[float, float, int, str]], language: str
) -> list[tuple[str, ...]] | None:
    """The phones that lyrics are read as; None where they cannot be.

    Args:
        rows: (start, end, midi, lyric) of notes without gaps; SP or AP for a rest.
        language: ISO 639 code.
    """
    try:
        score = assemble([SungNote(*row, "lyrics") for row in rows], "lyrics", 120.0, language)
    except UserError:
        return None
    return [note.phones for note in score.notes] if len(score.notes) == len(rows) else None


def with_sung_lyrics(score: MusicScore) -> MusicScore:
    """The score with lyrics that are read as what is sung, for formats without phones.

    Where a lyric is read otherwise (a placeholder, a rare reading), the phones in one, as pinyin or
    romaji, take its place if they are read as such; in English they are not.
    """
    spoken = LANGUAGES.get(score.language)
    while spoken is not None:  # what is replaced may settle how its neighbours are read
        notes = list(score.notes)
        for index, sung in _read_otherwise(score, spoken):
            spelled = "".join(sung)
            if notes[index].lyric != spelled and _phones(spelled, spoken) == sung:
                notes[index] = replace(notes[index], lyric=spelled)
        if tuple(notes) == score.notes:
            break
        score = replace(score, notes=tuple(notes))
    return score


def _phones(lyric: str, language: Language) -> list[str] | None:
    """What a lyric by itself is read as; None where it cannot be."""
    try:
        return [phone for syllable in language.read(lyric) for phone in syllable.phones]
    except UserError:
        return None


def _read_otherwise(score: MusicScore, language: Language) -> list[tuple[int, list[str]]]:
    """Index and phones of the notes whose syllable is not read as it is sung."""
    rows = [
        (n.start_sec, n.end_sec, n.midi, SLUR_LYRIC if n.slur else lyric_of(n)) for n in score.notes
    ]
    read = as_read(rows, language.code)
    heads = [i for i, note in enumerate(score.notes) if not note.slur]
    otherwise = []
    for head, end in itertools.pairwise([*heads, len(score.notes)]):
        note, slurs = score.notes[head], score.notes[head + 1 : end]
        sung = [*note.phones, *(phone for slur in slurs for phone in slur.phones[1:])]
        if read is None:
            found = _phones(note.lyric, language)
        else:
            found = [*read[head], *(phone for slur in read[head + 1 : end] for phone in slur[1:])]
        if sung and not note.is_rest and note.lyric and found != sung:
            otherwise.append((head, sung))
    return otherwise


def respelled(names: Sequence[str], language: str) -> list[str]:
    """Phones in the language's own names, from DiffSinger's, lower case, or with ``zh/``.

    Silence and breath are SP and AP, whatever they are called (pau, sil, EP, br).
    """
    known = language_of(language).phones
    plain = [name.rpartition("/")[2] for name in names]
    plain = [_OTHER_NAMES.get(language, {}).get(name, name) for name in plain]
    plain = [n.upper() if n.upper() in known and n not in known else n for n in plain]
    return [n if n in known else rest_phone(n) or n for n in plain]


def words_of(score: MusicScore) -> list[SungWord]:
    """The syllables and rests of a score, slurs joined to what they go on with."""
    times: list[list[tuple[float, float]]] = [[] for _ in score.notes]
    for phone in score.phones:
        times[phone.note].append((phone.start_sec, phone.end_sec))
    words: list[SungWord] = []
    for note, spans in zip(score.notes, times, strict=True):
        span = (note.start_sec, note.end_sec, note.midi)
        if not note.slur:
            words.append(SungWord(lyric_of(note), [span], list(note.phones), spans))
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
            lyric = SLUR_LYRIC if index else "" if word.is_rest else word.lyric
            notes.append(Note(start, end, midi, lyric, tuple(word.phones[sung]), index > 0))
            for name, (begin, stop) in zip(word.phones[sung], word.times[sung], strict=False):
                is_vowel = name is word.phones[vowel] and (begin, stop) == word.times[vowel]
                if is_vowel and index:
                    begin = min(max(begin, start), stop)
                if is_vowel and index < last:
                    stop = max(min(stop, end), begin)
                phones.append(Phone(begin, stop, name, len(notes) - 1))
    return MusicScore(tuple(notes), tuple(phones), tempo, language)
