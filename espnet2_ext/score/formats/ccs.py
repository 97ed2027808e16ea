"""CeVIO's CCS: an XML project of units, of which those of category SingerSong have a score.

A unit belongs to the group, the track that CeVIO shows, of its id.
"""

from pathlib import Path
from xml.etree.ElementTree import Element

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_bytes
from espnet2_ext.score.formats.cevio_song import (
    TICKS_PER_BEAT,
    notes_of,
    tempos_of,
    ticks_before,
)
from espnet2_ext.score.formats.project_fields import MAX_BYTES, parse_xml
from espnet2_ext.score.formats.project_tracks import Track, choose_track, score_of_track
from espnet2_ext.score.formats.ticks import TempoMap
from espnet2_ext.score.music_score import MusicScore

_EXPECTED = "a CeVIO project"
_LANGUAGES = {"japanese": "ja", "english": "en", "chinese": "zh"}


def _track(unit: Element, groups: dict[str, Element], index: int, path: Path) -> tuple[Track, str]:
    """The track of a unit, and its place for errors."""
    group = groups.get(unit.get("Group", ""))
    name = group.get("Name", "") if group is not None else ""
    place = f"{path}: track {index} ({name})" if name else f"{path}: track {index}"
    song = unit.find("Song")
    if song is None:
        return Track(name, []), place
    notes = notes_of(song, place, ticks_before(song, place))
    muted = group is not None and group.get("IsMuted", "").lower() == "true"
    return Track(name, notes, muted, _LANGUAGES.get(unit.get("Language", "").lower())), place


def read_ccs(
    path: str | Path,
    part: str | None = None,
    language: str | None = None,
    default_language: str = "zh",
) -> MusicScore:
    """Read a song of a CeVIO project.

    The measure before the song is left out. The lyric ``ー`` goes on with the syllable; marks of
    falsetto and devoiced vowels are no part of a lyric; syllables of an English word are read
    together. Tempo changes are honoured; the score's tempo is the one at its first note. Speech,
    phonemes, dynamics, and curves of pitch, timing and volume have no place in a score.

    Args:
        path: A .ccs.
        part: Name of a track, or its number among the songs with notes, from 1; the first that is
            not muted by default.
        language: ISO 639 code of the lyrics; by default ja where they are kana, or the track's.
        default_language: Where neither says it.

    Raises:
        UserError: naming track, note and attribute of the first mistake.
    """
    path = Path(path)
    root = parse_xml(read_bytes(path, MAX_BYTES), path, _EXPECTED)
    if root.tag != "Scenario":
        raise UserError(path, f"root element {root.tag!r}", f"{_EXPECTED}: Scenario")
    groups = {group.get("Id", ""): group for group in root.iter("Group")}
    units = [unit for unit in root.iter("Unit") if unit.get("Category") == "SingerSong"]
    found = [(unit, *_track(unit, groups, index, path)) for index, unit in enumerate(units, 1)]
    chosen = choose_track([track for _, track, _ in found], part, path)
    unit, place = next((unit, at) for unit, track, at in found if track is chosen)
    song = unit.findall("Song")[0]  # it has notes
    clock = TempoMap(tempos_of(song, place, ticks_before(song, place)), TICKS_PER_BEAT)
    return score_of_track(chosen, clock, path, language, default_language)
