"""Which notes of a MusicXML part its singer sings, where small notes or voices change."""

import itertools
import logging
from bisect import bisect_left
from dataclasses import replace

from espnet2_ext.score.formats.xml_measures import Measure, XmlNote

MAX_VOICES = 16  # others that are looked at in a measure


def leave_out_small(measures: list[Measure]) -> None:
    """Leave out small notes without lyrics: cues, and other ways to sing a place.

    A row of small notes of a voice with a lyric among them stays, such as those of another verse.
    """
    kept: set[int] = set()
    by_voice: dict[str, list[XmlNote]] = {}
    for measure in measures:
        for note in measure.notes:
            by_voice.setdefault(note.voice, []).append(note)
    for in_voice in by_voice.values():
        for small, run in itertools.groupby(in_voice, key=lambda note: note.small):
            row = list(run)
            if not small or any(note.lyrics for note in row):
                kept.update(id(note) for note in row)
    n_left_out = 0
    place = ""
    for measure in measures:
        left_out = [note for note in measure.notes if id(note) not in kept and note.midi]
        place = place or (left_out[0].place if left_out else "")
        n_left_out += len(left_out)
        measure.notes = [note for note in measure.notes if id(note) in kept]
    if n_left_out:
        logging.warning("%s: %d small notes without lyrics are left out", place, n_left_out)


def fill_from_other_voices(measures: list[Measure], voice: str) -> None:
    """Sing the lyrics of other voices where the chosen one has neither a full-size note nor a rest.

    The notes so taken become the chosen voice's. Lyrics of other voices that stay unsung are
    counted in one warning.
    """
    taken, unsung = [], []
    for measure in measures:
        if any(n.voice != voice and n.lyrics and not n.small for n in measure.notes):
            sung = _sung_in_others(measure, voice)
            if sung:
                taken.append(measure.place)
                _take(measure, voice, sung)
        unsung += [n for n in measure.notes if n.voice != voice and n.lyrics and not n.small]
    if taken:
        where = f"sung in {len(taken)} measures where voice {voice} has none"
        found = f"lyrics of other voices, {where}"
        logging.warning("%s: %s", taken[0], found)
    if unsung:
        found = f"{len(unsung)} lyrics of voices other than {voice} are not sung"
        logging.warning("%s: %s", unsung[0].place, found)


def _sung_in_others(measure: Measure, voice: str) -> list[XmlNote]:
    """The notes of other voices to sing in a measure."""
    mine = [n for n in measure.notes if n.voice == voice and not n.small]
    by_voice: dict[str, list[XmlNote]] = {}
    for note in measure.notes:
        if note.voice != voice and note.midi and not (note.small or note.grace):
            by_voice.setdefault(note.voice, []).append(note)
    sung: list[XmlNote] = []
    for notes in itertools.islice(by_voice.values(), MAX_VOICES):
        free = _free_of(mine + sung, notes)
        sung += itertools.dropwhile(lambda note: not note.lyrics, free)
    return sung


def _take(measure: Measure, voice: str, sung: list[XmlNote]) -> None:
    """Make notes of other voices the voice's own, instead of its small ones beside them."""
    taken = {id(note) for note in sung}
    rest = [n for n in measure.notes if id(n) not in taken]
    full = [n for n in rest if n.voice == voice and not n.small]
    small = _free_of(full + sung, [n for n in rest if n.voice == voice and n.small])
    mine = [*full, *small, *(replace(note, voice=voice) for note in sung)]
    others = [n for n in rest if n.voice != voice]
    measure.notes = others + sorted(mine, key=lambda note: note.start)


def _free_of(taken: list[XmlNote], notes: list[XmlNote]) -> list[XmlNote]:
    """The notes during which none of `taken` stands."""
    taken = sorted(taken, key=lambda note: note.start)
    starts = [note.start for note in taken]
    ends = list(itertools.accumulate((note.start + note.length for note in taken), max))
    free = []
    for note in notes:
        before = bisect_left(starts, note.start + note.length)
        if not before or ends[before - 1] <= note.start:
            free.append(note)
    return free
