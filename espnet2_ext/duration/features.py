"""Notes of a score as the phone-duration model sees them, and what it learns from a label."""

from dataclasses import dataclass

import numpy as np

from espnet2_ext.errors import UserError
from espnet2_ext.score.lyrics.languages import nucleus_of
from espnet2_ext.score.music_score import MusicScore, Note

NO_PHONE = 0  # ids of phones begin at 1


@dataclass(frozen=True, slots=True)
class NoteParts:
    """The phones of a note: consonants that lead, vowel or rest phone, consonants that close."""

    onset: tuple[str, ...]
    vowel: str
    coda: tuple[str, ...]


def split_note(note: Note, language: str, place: str) -> NoteParts:
    """Part the phones of a note around its vowel, a slur's included.

    Raises:
        UserError: the note has no phones.
    """
    if not note.phones:
        raise UserError(place, f"no phones for {note.lyric!r}", "a vowel and its consonants")
    vowel = nucleus_of(note.phones, language)
    return NoteParts(note.phones[:vowel], note.phones[vowel], note.phones[vowel + 1 :])


def note_features(score: MusicScore, phone_ids: dict[str, int], place: str = "score") -> np.ndarray:
    """One row per note, float32 (N, 6): `streams.NOTE_COLUMNS`, of several consonants the first.

    Args:
        score: Notes with their phones; phone times are not read.
        phone_ids: Number of each phone, from 1.
        place: For errors.

    Raises:
        UserError: naming a note without phones or a phone that the model does not know.
    """
    rows = []
    for index, note in enumerate(score.notes):
        at = f"{place}: note {index + 1}"
        parts = split_note(note, score.language, at)
        for phone in note.phones:
            if phone not in phone_ids:
                raise UserError(at, f"unknown phone {phone!r}", "a phone of the duration model")
        first = phone_ids[parts.onset[0]] if parts.onset else NO_PHONE
        length = note.end_sec - note.start_sec
        rows.append([first, phone_ids[parts.vowel], note.midi, length, note.slur, score.tempo])
    return np.array(rows, dtype=np.float32)


def note_targets(score: MusicScore, place: str = "score") -> np.ndarray:
    """How the label performed each note, float32 (N, 2).

    Columns: when the vowel, or the rest, begins, relative to the note's nominal start (s); length
    of the consonants before it (s; 0 where there are none).

    Raises:
        UserError: a note's performed phones are not the note's phones.
    """
    performed: list[list] = [[] for _ in score.notes]
    for phone in score.phones:
        performed[phone.note].append(phone)
    rows = []
    for index, (note, phones) in enumerate(zip(score.notes, performed, strict=True)):
        if tuple(phone.phone for phone in phones) != note.phones:
            found = f"label has {' '.join(phone.phone for phone in phones)!r}"
            raise UserError(f"{place}: note {index + 1}", found, " ".join(note.phones))
        vowel = phones[len(split_note(note, score.language, place).onset)]
        rows.append([vowel.start_sec - note.start_sec, vowel.start_sec - phones[0].start_sec])
    return np.array(rows, dtype=np.float32)
