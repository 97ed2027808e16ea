"""Synthesizer V Studio's SVP: a JSON project of tracks, groups of notes and tempos, in blicks.

A quarter has 705,600,000 blicks. The layout is the one of projects of versions 100 and later, as
Dreamtonics' scripting manual names its parts (tracks, group references, groups, notes).
"""

import logging
from pathlib import Path
from typing import Any

from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_json, read_text
from espnet2_ext.score.formats.project_fields import (
    MAX_BPM,
    MAX_BYTES,
    MAX_TICKS,
    integer,
    mapping,
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
from espnet2_ext.score.music_score import BREATH, MusicScore

BLICKS_PER_BEAT = 705_600_000
_LANGUAGES = {
    "mandarin": "zh",
    "cantonese": "yue",
    "japanese": "ja",
    "english": "en",
    "korean": "ko",
    "spanish": "es",
}


def _load(path: Path) -> dict[str, Any]:
    loaded = parse_json(read_text(path, MAX_BYTES).rstrip("\0"), path)  # the program ends it so
    if not isinstance(loaded, dict) or "tracks" not in loaded:
        raise UserError(path, "no tracks", "a Synthesizer V project", "tracks")
    return loaded


def _tempos(project: dict[str, Any], path: Path) -> list[tuple[int, float]]:
    tempos = []
    time = mapping(project, "time", str(path))
    for index, tempo in enumerate(objects(time, "tempo", str(path)), 1):
        at = f"{path}: tempo {index}"
        bpm = number(tempo.get("bpm"), at, "bpm", 1, MAX_BPM)
        tempos.append((integer(tempo.get("position"), at, "position"), bpm))
    return tempos


def _notes(group: dict[str, Any], ref: dict[str, Any], place: str) -> list[TrackNote]:
    """The notes of a group where a reference puts it."""
    if ref.get("isInstrumental") is True or ref.get("mute") is True:
        return []
    offset = integer(ref.get("blickOffset", 0), place, "blickOffset", -MAX_TICKS)
    higher = integer(ref.get("pitchOffset", 0), place, "pitchOffset", -127, 127)
    notes = []
    for index, note in enumerate(objects(group, "notes", place), 1):
        at = f"{place}, note {index}"
        start = integer(note.get("onset"), at, "onset", -MAX_TICKS) + offset
        if start < 0:
            raise UserError(at, f"starts {-start} blicks before the song", "after it", "onset")
        end = start + integer(note.get("duration"), at, "duration", 1)
        midi = integer(note.get("pitch"), at, "pitch", 1 - higher, 127 - higher) + higher
        lyric = text(note.get("lyrics"), at, "lyrics")
        notes.append(TrackNote(start, end, midi, BREATH if lyric == "br" else lyric, at))
    return notes


def _track(values: dict[str, Any], library: dict[str, dict[str, Any]], place: str) -> Track:
    """A track: its own group, and those of the library that it refers to."""
    main = mapping(values, "mainRef", place)
    notes = _notes(mapping(values, "mainGroup", place), main, place)
    for index, ref in enumerate(objects(values, "groups", place), 1):
        group = library.get(str(ref.get("groupID")))
        if group is None:
            found = f"no group {ref.get('groupID')!r} in the library"
            raise UserError(f"{place}, group {index}", found, "a group of the library", "groupID")
        notes += _notes(group, ref, f"{place}, group {index}")
    voice = mapping(main, "database", place)
    language = voice.get("languageOverride") or voice.get("language")
    muted = mapping(values, "mixer", place).get("mute") is True
    return Track(str(values.get("name", "")), notes, muted, _LANGUAGES.get(str(language)))


def read_svp(
    path: str | Path,
    part: str | None = None,
    language: str | None = None,
    default_language: str = "zh",
) -> MusicScore:
    """Read a track of a Synthesizer V project, its groups in their places.

    The lyric ``-`` goes on with the syllable, ``+`` with the next one of an English word, ``br`` is
    a breath. Tempo changes are honoured; the score's tempo is the one at its first sung note. Muted
    groups are left out; phonemes, detune, pitch curves and vibrato have no place in a score.

    Args:
        path: A .svp.
        part: Name of a track, or its number among those with notes, from 1; the first that is not
            muted by default.
        language: ISO 639 code of the lyrics; by default the one of the track's voice, or ja where
            lyrics are kana.
        default_language: Where neither says it.

    Raises:
        UserError: naming track, note and key of the first mistake.
    """
    path = Path(path)
    project = _load(path)
    library = {str(g.get("uuid")): g for g in objects(project, "library", str(path))}
    values = objects(project, "tracks", str(path))
    tracks = [
        _track(track, library, f"{path}: track {track.get('name') or index}")
        for index, track in enumerate(values, 1)
    ]
    chosen = choose_track(tracks, part, path)
    clock = TempoMap(_tempos(project, path), BLICKS_PER_BEAT)
    _warn_of_spoken(values, path)
    return score_of_track(chosen, clock, path, language, default_language)


def _warn_of_spoken(tracks: list[dict[str, Any]], path: Path) -> None:
    groups = [mapping(track, "mainGroup", str(path)) for track in tracks]
    notes = [note for group in groups for note in objects(group, "notes", str(path))]
    spoken = sum(note.get("musicalType") == "rap" for note in notes)
    if spoken:
        logging.warning("%s: %d spoken notes (rap) are sung at their pitch", path, spoken)
