"""CeVIO's CCS: an XML project of units, of which those of category SingerSong have a score.

960 ticks (clocks) a quarter. The first measure lies before the song and is left out. A unit belongs
to the group, the track that CeVIO shows, of its id.
"""

from pathlib import Path
from xml.etree.ElementTree import Element

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_bytes
from espnet2_ext.score.formats.project_fields import (
    MAX_BPM,
    MAX_BYTES,
    integer,
    number,
    parse_xml,
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

TICKS_PER_BEAT = 960
_EXPECTED = "a CeVIO project"
_LANGUAGES = {"japanese": "ja", "english": "en", "chinese": "zh"}
_WORD_GOES_ON = ("1", "2")  # Syllabic: 1 the first syllable of a word, 2 one within, 3 the last


def _ticks_before(song: Element, place: str) -> int:
    """Ticks of the first measure, or up to the first note where that stands in it."""
    sign = song.find("Beat/Time")
    beats, kind = 4, 4
    if sign is not None:
        beats = integer(sign.get("Beats"), place, "Beats", 1, 256)
        kind = integer(sign.get("BeatType"), place, "BeatType", 1, 256)
    measure = beats * 4 * TICKS_PER_BEAT // kind
    clocks = [integer(n.get("Clock"), place, "Clock") for n in song.findall("Score/Note")]
    return min([measure, *clocks])


def _tempos(song: Element, place: str, before: int) -> list[tuple[int, float]]:
    """Changes of tempo; those before the song hold from its start."""
    tempos = []
    for index, tempo in enumerate(song.findall("Tempo/Sound"), 1):
        at = f"{place}, tempo {index}"
        bpm = number(tempo.get("Tempo"), at, "Tempo", 1, MAX_BPM)
        tempos.append((integer(tempo.get("Clock"), at, "Clock"), bpm))
    return [(max(0, tick - before), bpm) for tick, bpm in sorted(tempos, key=lambda t: t[0])]


def _notes(song: Element, place: str, before: int) -> list[TrackNote]:
    notes = []
    for index, note in enumerate(song.findall("Score/Note"), 1):
        at = f"{place}, note {index}"
        start = integer(note.get("Clock"), at, "Clock") - before
        end = start + integer(note.get("Duration"), at, "Duration", 1)
        octave = integer(note.get("PitchOctave"), at, "PitchOctave", -1, 9)
        midi = 12 * (octave + 1) + integer(note.get("PitchStep"), at, "PitchStep", 0, 11)
        if not 1 <= midi <= 127:
            raise UserError(at, f"midi {midi}", "1-127", "PitchOctave")
        lyric = text(note.get("Lyric"), at, "Lyric")
        if note.get("Syllabic") in _WORD_GOES_ON:
            lyric = lyric.rstrip("-") + "-"
        notes.append(TrackNote(start, end, midi, lyric, at))
    return notes


def _track(unit: Element, groups: dict[str, Element], index: int, path: Path) -> tuple[Track, str]:
    """The track of a unit, and its place for errors."""
    group = groups.get(unit.get("Group", ""))
    name = group.get("Name", "") if group is not None else ""
    place = f"{path}: track {index} ({name})" if name else f"{path}: track {index}"
    song = unit.find("Song")
    if song is None:
        return Track(name, []), place
    notes = _notes(song, place, _ticks_before(song, place))
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
    clock = TempoMap(_tempos(song, place, _ticks_before(song, place)), TICKS_PER_BEAT)
    return score_of_track(chosen, clock, path, language, default_language)
