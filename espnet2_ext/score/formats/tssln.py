"""VoiSona's TSSLN: a JUCE tree of tracks, each with its song as a tree of its own.

A song is laid out as CeVIO's is. VoiSona Talk's projects (.tstprj) are speech and are not read.
"""

import reprlib
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
from espnet2_ext.score.formats.juce_tree import Tree, parse_tree
from espnet2_ext.score.formats.project_fields import MAX_BYTES
from espnet2_ext.score.formats.project_tracks import Track, choose_track, score_of_track
from espnet2_ext.score.formats.ticks import TempoMap
from espnet2_ext.score.music_score import MusicScore

_EXPECTED = "a VoiSona song project"
_SINGING = 0  # the type of a track that sings; others are audio
_PLUGIN, _PLUGIN_BYTES = b"VST", 48  # what stands before the song where VoiSona ran as a plug-in
_LANGUAGES = {"ja": "ja", "en": "en", "zh": "zh"}


def _state(track: Tree, place: str) -> Tree:
    """What a track sings, and with which voice."""
    data = track.values.get("PluginData")
    if not isinstance(data, bytes):
        raise UserError(place, reprlib.repr(data), f"{_EXPECTED}: binary data", "PluginData")
    data = data[_PLUGIN_BYTES:] if data.startswith(_PLUGIN) else data
    state = parse_tree(data, f"{place}: PluginData", _EXPECTED)
    if state.kind != "StateInformation":
        found = reprlib.repr(state.kind)
        raise UserError(f"{place}: PluginData", found, f"{_EXPECTED}: StateInformation")
    return state


def _track(values: Tree, index: int, path: Path) -> tuple[Element, Track, str]:
    """The song of a track, its notes, and its place for errors."""
    name = str(values.values.get("Name", ""))
    place = f"{path}: track {index} ({name})" if name else f"{path}: track {index}"
    state = _state(values, place)
    song = state.child("Song").element()
    notes = notes_of(song, place, ticks_before(song, place))
    spoken = str(state.child("VoiceInformation").values.get("Language", ""))[:2]
    return song, Track(name, notes, language=_LANGUAGES.get(spoken)), place


def read_tssln(
    path: str | Path,
    part: str | None = None,
    language: str | None = None,
    default_language: str = "ja",
) -> MusicScore:
    """Read a track of a VoiSona project.

    The measure before the song is left out. ``ー`` goes on with the syllable; edited phones in
    brackets are no part of a lyric; syllables of an English word are read together. Tempo changes
    are honoured; the score's tempo is the one at its first note. Audio tracks, phonemes, dynamics
    and curves have no place in a score.

    Args:
        path: A .tssln.
        part: Name of a track, or its number among those with notes, from 1; the first by default.
        language: ISO 639 code of the lyrics; by default ja where they are kana, or the voice's.
        default_language: Where neither says it.

    Raises:
        UserError: naming track, note and attribute of the first mistake, or the byte where the
            tree is damaged.
    """
    path = Path(path)
    root = parse_tree(read_bytes(path, MAX_BYTES), path, _EXPECTED)
    if root.kind != "TSSolution":
        raise UserError(path, f"a tree of {reprlib.repr(root.kind)}", f"{_EXPECTED}: TSSolution")
    singing = [t for t in root.child("Tracks").children if t.values.get("Type") == _SINGING]
    found = [_track(track, index, path) for index, track in enumerate(singing, 1)]
    chosen = choose_track([track for _, track, _ in found], part, path)
    song, _, place = next(row for row in found if row[1] is chosen)
    clock = TempoMap(tempos_of(song, place, ticks_before(song, place)), TICKS_PER_BEAT)
    return score_of_track(chosen, clock, path, language, default_language)
