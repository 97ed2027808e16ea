"""Which notes of a MusicXML part its singer sings, where small notes or voices change."""

import itertools
import logging
from dataclasses import replace

from espnet2_ext.score.formats.xml_measures import Measure, XmlNote


def leave_out_small(measures: list[Measure]) -> None:
    """Leave out small notes without lyrics: cues, and other ways to sing a place.

    A row of small notes of a voice with a lyric among them stays, such as those of another verse.
    """
    kept: set[int] = set()
    notes = [note for measure in measures for note in measure.notes]
    for voice in {note.voice for note in notes}:
        in_voice = [note for note in notes if note.voice == voice]
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
        mine = [n for n in measure.notes if n.voice == voice and not n.small]
        others = [n for n in measure.notes if n.voice != voice]
        for name in dict.fromkeys(note.voice for note in others):
            sung = _free_notes([n for n in others if n.voice == name], mine)
            if any(note.lyrics for note in sung):
                taken.append(measure.place)
                mine += sung
        if len(mine) > sum(n.voice == voice for n in mine):
            small = [n for n in measure.notes if n.voice == voice and n.small]
            mine += [note for note in small if not _meets(note, mine)]
            of_others = {id(note) for note in mine}
            measure.notes = [n for n in others if id(n) not in of_others] + _in_order(mine, voice)
        unsung += [n for n in measure.notes if n.voice != voice and n.lyrics and not n.small]
    if taken:
        found = (
            f"lyrics of other voices, sung in {len(taken)} measures where voice {voice} has none"
        )
        logging.warning("%s: %s", taken[0], found)
    if unsung:
        found = f"{len(unsung)} lyrics of voices other than {voice} are not sung"
        logging.warning("%s: %s", unsung[0].place, found)


def _meets(note: XmlNote, others: list[XmlNote]) -> bool:
    """Whether a note sounds while one of the others does."""
    end = note.start + note.length
    return any(note.start < n.start + n.length and n.start < end for n in others)


def _free_notes(notes: list[XmlNote], mine: list[XmlNote]) -> list[XmlNote]:
    """Sounding full-size notes of another voice from its first lyric on where none of mine is."""
    free = [n for n in notes if n.midi and not n.small and not n.grace and not _meets(n, mine)]
    return list(itertools.dropwhile(lambda note: not note.lyrics, free))


def _in_order(notes: list[XmlNote], voice: str) -> list[XmlNote]:
    return sorted((replace(note, voice=voice) for note in notes), key=lambda note: note.start)
