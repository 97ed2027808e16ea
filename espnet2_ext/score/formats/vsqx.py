"""VOCALOID 3 and 4's VSQX: an XML project of tracks, parts and notes.

The two versions differ in the names of their elements alone. Ticks count from the start of the
measures before the song (``preMeasure``), which are left out; notes from the start of their part.
"""

from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_bytes
from espnet2_ext.score.formats.project_fields import (
    MAX_BPM,
    MAX_BYTES,
    MAX_TICKS,
    integer,
    number,
    parse_xml,
)
from espnet2_ext.score.formats.project_tracks import (
    Track,
    TrackNote,
    choose_track,
    score_of_track,
)
from espnet2_ext.score.formats.ticks import TICKS_PER_BEAT, TempoMap
from espnet2_ext.score.formats.vocaloid import BPM_UNIT, LANGUAGES, VocaloidNote, track_note
from espnet2_ext.score.music_score import MusicScore

_EXPECTED = "a VOCALOID 3 or 4 project"


@dataclass(frozen=True)
class _Names:
    """Names of elements in a version."""

    track_number: str
    track_name: str
    part: str
    tick: str
    length: str
    midi: str
    lyric: str
    phonemes: str
    bpm: str
    measure: str
    beats: str
    beat_type: str
    bank: str
    muted: str


_VERSIONS = {
    "vsq3": _Names(
        track_number="vsTrackNo",
        track_name="trackName",
        part="musicalPart",
        tick="posTick",
        length="durTick",
        midi="noteNum",
        lyric="lyric",
        phonemes="phnms",
        bpm="bpm",
        measure="posMes",
        beats="nume",
        beat_type="denomi",
        bank="vBS",
        muted="mute",
    ),
    "vsq4": _Names(
        track_number="tNo",
        track_name="name",
        part="vsPart",
        tick="t",
        length="dur",
        midi="n",
        lyric="y",
        phonemes="p",
        bpm="v",
        measure="m",
        beats="nu",
        beat_type="de",
        bank="bs",
        muted="m",
    ),
}


def _load(path: Path) -> tuple[Element, _Names]:
    root = parse_xml(read_bytes(path, MAX_BYTES), path, _EXPECTED)
    if root.tag not in _VERSIONS:
        raise UserError(path, f"root element {root.tag!r}", f"{_EXPECTED}: vsq3 or vsq4")
    return root, _VERSIONS[root.tag]


def _ticks_before(master: Element, names: _Names, path: Path, beat: int) -> int:
    """Ticks of the measures before the song."""
    measures = integer(master.findtext("preMeasure") or "0", str(path), "preMeasure", 0, 64)
    lengths = {0: 4 * beat}
    for index, sign in enumerate(master.findall("timeSig"), 1):
        at = f"{path}: time signature {index}"
        first = integer(sign.findtext(names.measure), at, names.measure)
        beats = integer(sign.findtext(names.beats), at, names.beats, 1, 256)
        kind = integer(sign.findtext(names.beat_type), at, names.beat_type, 1, 256)
        lengths[first] = beats * 4 * beat // kind
    starts = sorted(lengths)
    return sum(lengths[max(s for s in starts if s <= m)] for m in range(measures))


def _tempos(master: Element, names: _Names, path: Path, before: int) -> list[tuple[int, float]]:
    """Changes of tempo; those before the song hold from its start."""
    tempos = []
    for index, tempo in enumerate(master.findall("tempo"), 1):
        at = f"{path}: tempo {index}"
        value = tempo.findtext(names.bpm)
        bpm = number(value, at, names.bpm, BPM_UNIT, MAX_BPM * BPM_UNIT) / BPM_UNIT
        tempos.append((integer(tempo.findtext(names.tick), at, names.tick), bpm))
    return [(max(0, tick - before), bpm) for tick, bpm in sorted(tempos, key=lambda t: t[0])]


def _notes(part: Element, names: _Names, place: str, before: int) -> list[TrackNote]:
    offset = integer(part.findtext(names.tick), place, names.tick) - before
    notes = []
    for index, note in enumerate(part.findall("note"), 1):
        at = f"{place}, note {index}"
        own = VocaloidNote(
            integer(note.findtext(names.tick), at, names.tick, -MAX_TICKS),
            integer(note.findtext(names.length), at, names.length, 1),
            integer(note.findtext(names.midi), at, names.midi, 1, 127),
            note.findtext(names.lyric),
            (note.findtext(names.phonemes) or "").strip(),
            at,
        )
        notes.append(track_note(own, offset))
    return notes


def _muted(root: Element, names: _Names) -> set[str]:
    """Numbers of the tracks that the mixer mutes."""
    units = root.findall("mixer/vsUnit")
    return {u.findtext(names.track_number, "") for u in units if u.findtext(names.muted) == "1"}


def _language(track: Element, names: _Names) -> str | None:
    """The language of the first voice of the track, by the number of its bank."""
    bank = track.findtext(f"{names.part}/singer/{names.bank}", "")
    return {str(number): code for number, code in LANGUAGES.items()}.get(bank.strip())


def _track(values: Element, names: _Names, place: str, before: int, muted: set[str]) -> Track:
    name = (values.findtext(names.track_name) or "").strip()
    place = f"{place} ({name})" if name else place
    notes: list[TrackNote] = []
    for index, part in enumerate(values.findall(names.part), 1):
        notes += _notes(part, names, f"{place}, part {index}", before)
    is_muted = values.findtext(names.track_number, "") in muted
    return Track(name, notes, is_muted, _language(values, names))


def read_vsqx(
    path: str | Path,
    part: str | None = None,
    language: str | None = None,
    default_language: str = "zh",
) -> MusicScore:
    """Read a track of a VOCALOID 3 or 4 project, its parts one after another.

    The measures before the song are left out. The lyric ``-`` goes on with the syllable, a hyphen
    at its end says that an English word goes on; ``br1`` to ``br5`` are breaths. Tempo changes are
    honoured; the score's tempo is the one at its first sung note. Phonemes, styles and curves have
    no place in a score.

    Args:
        path: A .vsqx.
        part: Name of a track, or its number among those with notes, from 1; the first that is not
            muted by default.
        language: ISO 639 code of the lyrics; by default ja where they are kana, or the one of the
            track's first voice, if that is not Japanese.
        default_language: Where neither says it.

    Raises:
        UserError: naming track, part, note and element of the first mistake.
    """
    path = Path(path)
    root, names = _load(path)
    master = root.find("masterTrack")
    if master is None:
        raise UserError(path, "no master track", _EXPECTED, "masterTrack")
    resolution = master.findtext("resolution") or str(TICKS_PER_BEAT)
    beat = integer(resolution, str(path), "resolution", 1, 1_000_000)
    before = _ticks_before(master, names, path, beat)
    muted = _muted(root, names)
    tracks = [
        _track(values, names, f"{path}: track {index}", before, muted)
        for index, values in enumerate(root.findall("vsTrack"), 1)
    ]
    chosen = choose_track(tracks, part, path)
    clock = TempoMap(_tempos(master, names, path, before), beat)
    return score_of_track(chosen, clock, path, language, default_language)
