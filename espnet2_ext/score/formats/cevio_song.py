"""The song of CeVIO's and VoiSona's projects: tempos, beats and notes under a Song element.

960 ticks (clocks) a quarter. The first measure lies before the song and is left out.
"""

import re
from xml.etree.ElementTree import Element

from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.project_fields import MAX_BPM, integer, number, text
from espnet2_ext.score.formats.project_tracks import TrackNote

TICKS_PER_BEAT = 960
_WORD_GOES_ON = ("1", "2")  # Syllabic: 1 the first syllable of a word, 2 one within, 3 the last
_PHONES = re.compile(r"\[[^\]]*\]")  # of a lyric, as VoiSona shows phones that were edited


def ticks_before(song: Element, place: str) -> int:
    """Ticks of the first measure, or up to the first note where that stands in it."""
    sign = song.find("Beat/Time")
    beats, kind = 4, 4
    if sign is not None:
        beats = integer(sign.get("Beats"), place, "Beats", 1, 256)
        kind = integer(sign.get("BeatType"), place, "BeatType", 1, 256)
    measure = beats * 4 * TICKS_PER_BEAT // kind
    clocks = [integer(n.get("Clock"), place, "Clock") for n in song.findall("Score/Note")]
    return min([measure, *clocks])


def tempos_of(song: Element, place: str, before: int) -> list[tuple[int, float]]:
    """Changes of tempo (tick, beats per minute); those before the song hold from its start."""
    tempos = []
    for index, tempo in enumerate(song.findall("Tempo/Sound"), 1):
        at = f"{place}, tempo {index}"
        bpm = number(tempo.get("Tempo"), at, "Tempo", 1, MAX_BPM)
        tempos.append((integer(tempo.get("Clock"), at, "Clock"), bpm))
    return [(max(0, tick - before), bpm) for tick, bpm in sorted(tempos, key=lambda t: t[0])]


def notes_of(song: Element, place: str, before: int) -> list[TrackNote]:
    """The notes, in ticks after the song's start."""
    notes = []
    for index, note in enumerate(song.findall("Score/Note"), 1):
        at = f"{place}, note {index}"
        start = integer(note.get("Clock"), at, "Clock") - before
        end = start + integer(note.get("Duration"), at, "Duration", 1)
        octave = integer(note.get("PitchOctave"), at, "PitchOctave", -1, 9)
        midi = 12 * (octave + 1) + integer(note.get("PitchStep"), at, "PitchStep", 0, 11)
        if not 1 <= midi <= 127:
            raise UserError(at, f"midi {midi}", "1-127", "PitchOctave")
        lyric = _PHONES.sub("", text(note.get("Lyric"), at, "Lyric"))
        if note.get("Syllabic") in _WORD_GOES_ON:
            lyric = lyric.rstrip("-") + "-"
        notes.append(TrackNote(start, end, midi, lyric, at))
    return notes
