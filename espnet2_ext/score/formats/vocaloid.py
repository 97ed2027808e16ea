"""What VOCALOID's project formats share: lyrics, voices' languages, notes on a track."""

import re
from dataclasses import dataclass

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.project_fields import text
from espnet2_ext.score.formats.project_tracks import TrackNote
from espnet2_ext.score.music_score import BREATH, SILENCE

BPM_UNIT = 100  # tempos are whole hundredths of a beat per minute
LANGUAGES = {1: "en", 2: "ko", 3: "es", 4: "zh"}
"""By VOCALOID's number. 0, Japanese, is also what is there where nobody chose: kana say that."""

_BREATH = re.compile(r"br[1-5]?", re.IGNORECASE)


@dataclass(frozen=True)
class VocaloidNote:
    """A note as the formats have it; its start is a tick of its part."""

    start: int
    length: int
    midi: int
    lyric: object
    phonemes: str
    place: str


def track_note(note: VocaloidNote, offset: int) -> TrackNote:
    """The note on its track, `offset` ticks after its place in the part.

    The phonemes ``Asp`` and lyrics ``br1`` are breaths, the phonemes ``Sil`` silence.

    Raises:
        UserError: it starts before the song, or has no lyric.
    """
    start = note.start + offset
    if start < 0:
        raise UserError(note.place, f"starts {-start} ticks before the song", "after its start")
    if note.phonemes == "Sil":
        return TrackNote(start, start + note.length, 0, SILENCE, note.place)
    lyric = text(note.lyric, note.place, "lyric")
    if note.phonemes == "Asp" or _BREATH.fullmatch(lyric):
        return TrackNote(start, start + note.length, 0, BREATH, note.place)
    return TrackNote(start, start + note.length, note.midi, lyric, note.place)
