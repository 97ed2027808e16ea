"""VOCALOID 5 and 6's VPR: a zip that holds the project as JSON, ``Project/sequence.json``.

480 ticks a quarter; notes count from the start of their part.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from espnet2_ext.archive import open_archive, read_member
from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_json
from espnet2_ext.score.formats.project_fields import (
    MAX_BPM,
    MAX_BYTES,
    MAX_TICKS,
    integer,
    mapping,
    number,
    objects,
)
from espnet2_ext.score.formats.project_tracks import (
    Track,
    TrackNote,
    choose_track,
    score_of_track,
)
from espnet2_ext.score.formats.ticks import TempoMap
from espnet2_ext.score.formats.vocaloid import BPM_UNIT, LANGUAGES, VocaloidNote, track_note
from espnet2_ext.score.music_score import MusicScore

SEQUENCE = "Project/sequence.json"
_EXPECTED = "a VOCALOID 5 or 6 project"


def _load(path: Path) -> dict[str, Any]:
    with open_archive(path, _EXPECTED) as archive:
        data = read_member(archive, SEQUENCE, path, MAX_BYTES, _EXPECTED)
    place = f"{path}: {SEQUENCE}"
    try:
        loaded = parse_json(data.decode("utf-8-sig"), place)
    except UnicodeDecodeError:
        raise UserError(place, "bytes that are not UTF-8", _EXPECTED) from None
    if not isinstance(loaded, dict) or "tracks" not in loaded:
        raise UserError(place, "no tracks", _EXPECTED, "tracks")
    return loaded


def _tempos(project: dict[str, Any], path: Path) -> list[tuple[int, float]]:
    """Changes of tempo; the global one alone where it is switched on."""
    tempo = mapping(mapping(project, "masterTrack", str(path)), "tempo", str(path))
    steady = mapping(tempo, "global", str(path))
    if steady.get("isEnabled") is True:
        return [(0, _bpm(steady, f"{path}: global tempo"))]
    return [
        (integer(event.get("pos"), f"{path}: tempo {index}", "pos"), _bpm(event, str(path)))
        for index, event in enumerate(objects(tempo, "events", str(path)), 1)
    ]


def _bpm(event: dict[str, Any], place: str) -> float:
    bpm = number(event.get("value"), place, "value", BPM_UNIT, MAX_BPM * BPM_UNIT)
    return bpm / BPM_UNIT


def _notes(part: dict[str, Any], place: str) -> list[TrackNote]:
    offset = integer(part.get("pos", 0), place, "pos", -MAX_TICKS)
    notes = []
    for index, note in enumerate(objects(part, "notes", place), 1):
        at = f"{place}, note {index}"
        own = VocaloidNote(
            integer(note.get("pos"), at, "pos", -MAX_TICKS),
            integer(note.get("duration"), at, "duration", 1),
            integer(note.get("number"), at, "number", 1, 127),
            note.get("lyric"),
            str(note.get("phoneme", "")),
            at,
        )
        notes.append(track_note(own, offset))
    return notes


def _track(values: dict[str, Any], place: str) -> Track:
    notes: list[TrackNote] = []
    spoken: Counter[object] = Counter()
    for index, part in enumerate(objects(values, "parts", place), 1):
        notes += _notes(part, f"{place}, part {index}")
        spoken.update(str(note.get("langID", "")) for note in objects(part, "notes", place))
    most = spoken.most_common(1)[0][0] if spoken else ""
    language = {str(number): code for number, code in LANGUAGES.items()}.get(str(most))
    return Track(str(values.get("name", "")), notes, values.get("isMuted") is True, language)


def read_vpr(
    path: str | Path,
    part: str | None = None,
    language: str | None = None,
    default_language: str = "zh",
) -> MusicScore:
    """Read a track of a VOCALOID 5 or 6 project, its parts one after another.

    The lyric ``-`` goes on with the syllable, a hyphen at its end says that an English word goes
    on; ``br1`` to ``br5`` are breaths. Tempo changes are honoured; the score's tempo is the one at
    its first sung note. Phonemes, pitch curves and effects have no place in a score.

    Args:
        path: A .vpr.
        part: Name of a track, or its number among those with notes, from 1; the first that is not
            muted by default.
        language: ISO 639 code of the lyrics; by default ja where they are kana, or what most notes
            of the track say, if that is not Japanese.
        default_language: Where neither says it.

    Raises:
        UserError: naming track, part, note and key of the first mistake.
    """
    path = Path(path)
    project = _load(path)
    tracks = [
        _track(track, f"{path}: track {track.get('name') or index}")
        for index, track in enumerate(objects(project, "tracks", str(path)), 1)
    ]
    chosen = choose_track(tracks, part, path)
    return score_of_track(
        chosen, TempoMap(_tempos(project, path)), path, language, default_language
    )
