"""Notes of a score as the phone-duration model sees them, and what it learns from a label."""

import numpy as np

from espnet2_ext.errors import UserError
from espnet2_ext.score.music_score import MusicScore, Note

NOTE_COLUMNS = ("initial_id", "final_id", "midi", "duration_sec", "slur", "tempo")
TARGET_COLUMNS = ("onset_sec", "initial_sec")
NO_PHONE = 0  # ids of phones begin at 1


def split_note(note: Note, place: str) -> tuple[str | None, str]:
    """Initial, if any, and final (or rest phone) of a note.

    Raises:
        UserError: the note has no phones, or more than two.
    """
    if not 1 <= len(note.phones) <= 2:
        found = f"{len(note.phones)} phones {' '.join(note.phones)!r} for {note.lyric!r}"
        raise UserError(place, found, "a final, or an initial and a final")
    return (note.phones[0] if len(note.phones) == 2 else None), note.phones[-1]


def note_features(score: MusicScore, phone_ids: dict[str, int], place: str = "score") -> np.ndarray:
    """One row per note, float32 (N, 6); see `NOTE_COLUMNS`.

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
        initial, final = split_note(note, at)
        for phone in note.phones:
            if phone not in phone_ids:
                raise UserError(at, f"unknown phone {phone!r}", "a phone of the duration model")
        first = NO_PHONE if initial is None else phone_ids[initial]
        length = note.end_sec - note.start_sec
        rows.append([first, phone_ids[final], note.midi, length, note.slur, score.tempo])
    return np.array(rows, dtype=np.float32)


def note_targets(score: MusicScore, place: str = "score") -> np.ndarray:
    """How the label performed each note, float32 (N, 2).

    Columns: when the final, or the rest, begins, relative to the note's nominal start (s); length
    of the initial (s; 0 where there is none).

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
        onset = phones[-1].start_sec - note.start_sec
        initial = phones[0].end_sec - phones[0].start_sec if len(phones) == 2 else 0.0
        rows.append([onset, initial])
    return np.array(rows, dtype=np.float32)
