"""The tracks of a singing program's project, and the score of one of them.

What the readers of such projects share: which track is sung, its rests, tempo and language.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.assemble import SungNote, assemble
from espnet2_ext.score.formats.ticks import TempoMap
from espnet2_ext.score.music_score import REST_PHONES, SILENCE, MusicScore

_KANA = re.compile("[ぁ-ヺｦ-ﾟ]")


@dataclass(frozen=True)
class TrackNote:
    """A note of a track: its ticks, MIDI number, lyric (AP: a breath), and place for errors."""

    start: int
    end: int
    midi: int
    lyric: str
    place: str


@dataclass(frozen=True)
class Track:
    """A track.

    Args:
        name: As the program shows it.
        notes: In any order.
        muted: Whether it is heard.
        language: ISO 639 code of its voice, if it says one.
    """

    name: str
    notes: Sequence[TrackNote]
    muted: bool = False
    language: str | None = None


def choose_track(tracks: Sequence[Track], wanted: str | None, path: Path) -> Track:
    """The track of a number, from 1, or of a name; by default the first that is heard.

    Only tracks with notes count. Where none is named, a warning says that there are others.

    Raises:
        UserError: no notes at all, or no such track.
    """
    tracks = [track for track in tracks if track.notes]
    if not tracks:
        raise UserError(path, "no notes", "a track with notes")
    if wanted is None:
        chosen = next((track for track in tracks if not track.muted), tracks[0])
        if len(tracks) > 1:
            logging.warning("%s: 1 of %d tracks is read: %s", path, len(tracks), chosen.name)
        return chosen
    for number, track in enumerate(tracks, 1):
        if wanted == str(number):
            return track
    for track in tracks:
        if wanted == track.name:
            return track
    listed = ", ".join(f"{number} ({track.name})" for number, track in enumerate(tracks, 1))
    raise UserError(path, f"no part {wanted!r}", listed, "part")


def _language(track: Track) -> str | None:
    """The language of lyrics in kana, whatever the voice; else the one of the voice."""
    kana = any(_KANA.search(note.lyric) for note in track.notes)
    return "ja" if kana else track.language


def score_of_track(
    track: Track, clock: TempoMap, path: Path, language: str | None, default_language: str
) -> MusicScore:
    """The score of a track: gaps are rests, the tempo is the one at the first sung note.

    Args:
        track: With notes.
        clock: The tempo changes.
        path: The file, for errors.
        language: ISO 639 code of the lyrics; by default what the track says.
        default_language: Where neither says it.

    Raises:
        UserError: naming the first note that overlaps the one before, or cannot be read.
    """
    sung: list[SungNote] = []
    end = 0
    for note in sorted(track.notes, key=lambda note: note.start):
        if note.start < end:
            found = f"starts at tick {note.start}, before {end}"
            raise UserError(note.place, found, "after the last note")
        if note.start > end:
            rest = (clock.seconds(end), clock.seconds(note.start))
            sung.append(SungNote(*rest, 0, SILENCE, note.place))
        end = note.end
        times = (clock.seconds(note.start), clock.seconds(end))
        sung.append(SungNote(*times, note.midi, note.lyric, note.place))
    starts = (note.start for note in track.notes if note.lyric not in REST_PHONES)
    tempo = clock.bpm_at(min(starts, default=0))
    return assemble(sung, str(path), tempo, language or _language(track) or default_language)
