"""VOICEVOX's VVPROJ: a JSON project, whose song has tempos and tracks of notes, in ticks.

The layout is the one of the program's own schema. Tracks are objects by id with an order, or, in
projects before several tracks, a list.
"""

import logging
import reprlib
from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_json, read_text
from espnet2_ext.score.formats.project_fields import (
    MAX_BPM,
    MAX_BYTES,
    integer,
    number,
    objects,
    text,
)
from espnet2_ext.score.formats.project_tracks import (
    Track,
    TrackNote,
    choose_track,
    score_of_track,
)
from espnet2_ext.score.formats.ticks import TempoMap
from espnet2_ext.score.music_score import MusicScore

_EXPECTED = "a VOICEVOX project with a song"
_DO_RE_MI = ("ド", "ド", "レ", "レ", "ミ", "ファ", "ファ", "ソ", "ソ", "ラ", "ラ", "シ")
"""What the program sings on a note without a lyric, from C."""


def _song(path: Path) -> dict[str, Any]:
    loaded = parse_json(read_text(path, MAX_BYTES), path)
    if not isinstance(loaded, dict) or not isinstance(loaded.get("song"), dict):
        found = (
            "no song" if isinstance(loaded, dict) and "talk" in loaded else "no VOICEVOX project"
        )
        raise UserError(path, found, _EXPECTED, "song")
    return loaded["song"]


def _tracks_of(song: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    tracks = song.get("tracks")
    if not isinstance(tracks, dict):
        return objects(song, "tracks", str(path))
    order = song.get("trackOrder", list(tracks))
    if not isinstance(order, list) or sorted(map(str, order)) != sorted(tracks):
        raise UserError(path, reprlib.repr(order), "the ids of all tracks", "trackOrder")
    return objects([tracks[str(key)] for key in order], "tracks", str(path))


def _note(values: dict[str, Any], place: str) -> tuple[TrackNote, bool]:
    """A note, and whether it has a lyric of its own."""
    start = integer(values.get("position"), place, "position")
    end = start + integer(values.get("duration"), place, "duration", 1)
    midi = integer(values.get("noteNumber"), place, "noteNumber", 1, 127)
    lyric = values.get("lyric")
    own = lyric is not None
    lyric = text(lyric, place, "lyric") if own else _DO_RE_MI[midi % 12]
    return TrackNote(start, end, midi, lyric, place), own


def read_vvproj(
    path: str | Path,
    part: str | None = None,
    language: str | None = None,
    default_language: str = "ja",
) -> MusicScore:
    """Read a track of a VOICEVOX project's song.

    ``ー`` goes on with the syllable. A note without a lyric sings do, re, mi as the program does,
    with a warning. Tempo changes are honoured; the score's tempo is the one at its first note.
    Speech, singers, edited timings and curves of pitch and volume have no place in a score.

    Args:
        path: A .vvproj.
        part: Name of a track, or its number among those with notes, from 1; the first that is not
            muted by default, or is solo where one is.
        language: ISO 639 code of the lyrics; ja where they are kana.
        default_language: Where neither says it.

    Raises:
        UserError: naming track, note and key of the first mistake.
    """
    path = Path(path)
    song = _song(path)
    ticks = integer(song.get("tpqn"), str(path), "tpqn", 1, 2**20)
    values = _tracks_of(song, path)
    solo = any(track.get("solo") is True for track in values)
    tracks, unlabelled = [], {}
    for index, track in enumerate(values, 1):
        name = str(track.get("name") or "")
        place = f"{path}: track {name or index}"
        found = [
            _note(note, f"{place}, note {at}")
            for at, note in enumerate(objects(track, "notes", place), 1)
        ]
        muted = track.get("mute") is True or (solo and track.get("solo") is not True)
        tracks.append(Track(name, [note for note, _ in found], muted))
        unlabelled[id(tracks[-1])] = sum(not own for _, own in found)
    chosen = choose_track(tracks, part, path)
    if unlabelled[id(chosen)]:
        found = f"{unlabelled[id(chosen)]} notes without a lyric sing do, re, mi"
        logging.warning("%s: %s", path, found)
    tempos = []
    for index, tempo in enumerate(objects(song, "tempos", str(path)), 1):
        at = f"{path}: tempo {index}"
        bpm = number(tempo.get("bpm"), at, "bpm", 1, MAX_BPM)
        tempos.append((integer(tempo.get("position"), at, "position"), bpm))
    return score_of_track(chosen, TempoMap(tempos, ticks), path, language, default_language)
