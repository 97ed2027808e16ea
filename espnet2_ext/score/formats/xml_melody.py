"""From the measures of a MusicXML part to one voice of sung notes in seconds."""

import itertools
import logging
from dataclasses import dataclass, replace
from fractions import Fraction

from espnet2_ext.score.formats.assemble import MIN_GAP_SEC, SungNote, has_syllable
from espnet2_ext.score.formats.xml_measures import Measure, XmlNote
from espnet2_ext.score.formats.xml_order import unfold
from espnet2_ext.score.music_score import BREATH, REST_MIDI, SILENCE

DEFAULT_BPM = 120.0
GRACE_QUARTERS = Fraction(1, 8)
BREATH_SEC = 0.5  # of a rest with a breath mark before it
BREATH_SHARE = 0.25  # of a note that another follows at once
_EXACT_SEC = 1e-6


@dataclass
class Melody:
    """Contiguous notes and rests of one voice, and the tempo (beats per minute) at the first.

    `bars` are the times (s) at which measures begin, as they are played, and the end of the last.
    """

    notes: list[SungNote]
    tempo: float
    bars: list[float]


def _line(notes: list[XmlNote], wanted: int, verses: list[int]) -> int:
    """The verse to sing in a measure: where the wanted one is not written, the first of the voice.

    That may be missing too, as in a second ending: then the next below, if any.
    """
    written = {number for note in notes for number in note.lyrics}
    for number in (wanted, verses[0]):
        if number in written:
            return number
    return max((number for number in written if number < wanted), default=wanted)


def _lines(notes: list[XmlNote], wanted: int, verses: list[int]) -> list[int]:
    """The verse that each note of a measure sings.

    One for all, but where the wanted verse is only an addition to the first, on none of its notes:
    then each row of notes between rests has its own.
    """
    added = all(not {wanted, verses[0]} <= note.lyrics.keys() for note in notes)
    if wanted == verses[0] or not added:
        return [_line(notes, wanted, verses)] * len(notes)
    lines: list[int] = []
    for _, run in itertools.groupby(notes, key=lambda note: note.midi == REST_MIDI):
        row = list(run)
        lines += [_line(row, wanted, verses)] * len(row)
    return lines


def _top_notes(notes: list[XmlNote]) -> list[XmlNote]:
    """The top note of each chord, with whichever lyric and marks the chord carries."""
    melody: list[XmlNote] = []
    for note in notes:
        below = melody[-1] if melody else None
        if below and note.chord and note.start == below.start and note.grace == below.grace:
            top = max(below, note, key=lambda n: n.midi)
            melody[-1] = replace(
                top,
                lyrics={**note.lyrics, **below.lyrics},
                breath=note.breath or below.breath,
                begins=note.begins | below.begins,
                goes_on=note.goes_on | below.goes_on,
            )
        else:
            melody.append(note)
    return melody


def _with_graces(melody: list[XmlNote]) -> list[XmlNote]:
    """Grace notes with a length: a 32nd each, together at most half of the note they take it from.

    That is the note after them, whose syllable then begins on the first of them; or the note
    before, where they say so or nothing is sung after them.
    """
    sung: list[XmlNote] = []
    groups = [(g, list(run)) for g, run in itertools.groupby(melody, key=lambda note: note.grace)]
    for index, (grace, run) in enumerate(groups):
        if not grace:
            sung += run
            continue
        after = groups[index + 1][1][0] if index + 1 < len(groups) else None
        leads = grace == "next" and after and after.midi and after.start == run[0].start
        giver = after if leads else sung[-1] if sung and sung[-1].midi else None
        if giver is None:
            continue
        each = min(GRACE_QUARTERS, giver.length / (2 * len(run)))
        taken = each * len(run)
        begin = giver.start if leads else giver.start + giver.length - taken
        graces = [replace(note, start=begin + each * i, length=each) for i, note in enumerate(run)]
        if leads:
            if not graces[0].lyrics:
                graces[0].lyrics, giver.lyrics = giver.lyrics, {}
                graces[0].begins, graces[0].goes_on = giver.begins, giver.goes_on
            giver.start += taken
        giver.length -= taken
        sung += graces
    return sung


def _breathe(notes: list[SungNote], marked: set[int]) -> list[SungNote]:
    """Breaths after the marked notes: the end of the rest that follows, or of the note itself."""
    breathed: list[SungNote] = []
    for index, note in enumerate(notes):
        before = index - 1 in marked and note.lyric == SILENCE
        if before or (index in marked and not _is_silence(notes, index + 1)):
            length = note.end_sec - note.start_sec
            taken = min(BREATH_SEC, length if before else length * BREATH_SHARE)
            breath = SungNote(note.end_sec - taken, note.end_sec, REST_MIDI, BREATH, note.place)
            if length - taken > _EXACT_SEC:
                breathed.append(replace(note, end_sec=breath.start_sec))
            breathed.append(breath)
        else:
            breathed.append(note)
    return breathed


def _is_silence(notes: list[SungNote], index: int) -> bool:
    return index >= len(notes) or notes[index].lyric in (SILENCE, BREATH)


class _Clock:
    """Time (s) and tempo within one measure that begins at `start_sec` with `bpm`."""

    def __init__(self, measure: Measure, start_sec: float, bpm: float) -> None:
        self.changes = [(Fraction(0), start_sec, bpm)]
        for position, new_bpm in measure.bpms:
            self.changes.append((position, self.at(position)[0], new_bpm))

    def at(self, position: Fraction) -> tuple[float, float]:
        since, start_sec, bpm = [c for c in self.changes if c[0] <= position][-1]
        return start_sec + float(position - since) * 60 / bpm, bpm


def _tempos(measures: list[Measure]) -> list[float]:
    """The tempo that each measure begins with, as written: a jump does not take one along.

    A pickup has the tempo of the measure that it leads to.
    """
    tempos = [DEFAULT_BPM]
    first = next((i for i, measure in enumerate(measures) if measure.bpms), None)
    sounding = next((i for i, m in enumerate(measures) if any(n.midi for n in m.notes)), 0)
    if first == 1 and measures[0].length < measures[1].length and not measures[1].bpms[0][0]:
        tempos = [measures[1].bpms[0][1]]
    elif measures and (first is None or first > sounding):
        found = "no tempo is written, taken as"
        logging.warning("%s: %s %g quarters a minute", measures[0].place, found, DEFAULT_BPM)
    for measure in measures:
        tempos.append(measure.bpms[-1][1] if measure.bpms else tempos[-1])
    return tempos[:-1]


class _Singer:
    """Collects notes in the order of play, in seconds."""

    def __init__(self) -> None:
        self.notes: list[SungNote] = []
        self.marked: set[int] = set()  # notes with a breath mark
        self.tied: set[int] = set()
        self.of_another_verse = False  # the notes now, which the sung verse rests on
        self.open_word: int | None = None  # the note whose syllabic says that its word goes on
        self.tempo: float | None = None

    def rest(self, start_sec: float, end_sec: float, lyric: str, place: str) -> None:
        last = self.notes[-1] if self.notes else None
        if last and last.lyric == lyric and abs(last.end_sec - start_sec) < _EXACT_SEC:
            self.notes[-1] = replace(last, end_sec=end_sec)
        else:
            self.notes.append(SungNote(start_sec, end_sec, REST_MIDI, lyric, place))

    def silence_until(self, time_sec: float, place: str) -> None:
        end_sec = self.notes[-1].end_sec if self.notes else 0.0
        if time_sec - end_sec >= MIN_GAP_SEC:
            self.rest(end_sec, time_sec, SILENCE, place)

    def note(self, note: XmlNote, start_sec: float, end_sec: float, line: int, bpm: float) -> None:
        """Add a note with its lyric of verse `line`; a tied one is held, if it has no syllable."""
        self.silence_until(start_sec, note.place)
        if note.midi == REST_MIDI:
            self.rest(start_sec, end_sec, BREATH if note.breath else SILENCE, note.place)
            self.tied, self.of_another_verse = set(), False
            return
        lyric = note.lyrics.get(line)
        held = self.notes[-1] if note.tie_stop and note.midi in self.tied else None
        goes_on = held and held.midi == note.midi and abs(held.end_sec - start_sec) < _EXACT_SEC
        if held and goes_on and not has_syllable(lyric):
            self.notes[-1] = replace(held, end_sec=end_sec)
        elif not has_syllable(lyric) and self._is_for_another_verse(note):
            self.rest(start_sec, end_sec, SILENCE, note.place)
            self.tied, self.of_another_verse = set(), True
            return
        else:
            self.tempo = self.tempo or bpm
            self.of_another_verse = False
            self._word(note, line, has_syllable(lyric))
            self.notes.append(SungNote(start_sec, end_sec, note.midi, lyric, note.place))
        self.tied = {note.midi} if note.tie_start else set()
        if note.breath:
            self.marked.add(len(self.notes) - 1)

    def _is_for_another_verse(self, note: XmlNote) -> bool:
        """Whether a note without a syllable, after a rest, is written for other verses alone."""
        after_rest = _is_silence(self.notes[-1:], 0)
        others = self.of_another_verse or any(map(has_syllable, note.lyrics.values()))
        return after_rest and others

    def _word(self, note: XmlNote, line: int, is_syllable: bool) -> None:
        """Close the word before, left open, where the note is said to begin a word."""
        if not is_syllable:
            return
        if line in note.begins and self.open_word is not None:
            before = self.notes[self.open_word]
            self.notes[self.open_word] = replace(before, lyric=(before.lyric or "").rstrip("-"))
        self.open_word = len(self.notes) if line in note.goes_on else None


def _warn_of_unsung(measures: list[Measure], voice: str, verse: int | None) -> None:
    """Say how many syllables are left out, and where the first of each kind stands."""
    found: dict[str, list[str]] = {}
    for measure in measures:
        for of_voice, kind, verses in measure.unsung:
            if of_voice == voice and (verse is None or verse in verses):
                found.setdefault(kind, []).append(measure.place)
    for kind, places in found.items():
        left_out = f"{len(places)} lyrics under {kind} are left out"
        logging.warning("%s: %s", places[0], left_out)


def sing(measures: list[Measure], voice: str, verse: int | None, graces: bool) -> Melody:
    """Play one voice of a part, from 0 s to the end of its last measure.

    Args:
        measures: With the tempo marks and signs that hold for the part.
        voice: Its name.
        verse: Line of the lyrics; None for the n-th in the n-th pass.
        graces: Whether grace notes are sung.
    """
    lines: dict[int, list[XmlNote]] = {}
    n_graces = 0
    for index, measure in enumerate(measures):
        notes = _top_notes([n for n in measure.notes if n.voice == voice])
        n_graces += sum(bool(n.grace) for n in notes)
        lines[index] = _with_graces(notes) if graces else [n for n in notes if not n.grace]
    if n_graces:
        done = "sung in the time of their neighbours" if graces else "left out"
        logging.warning("%s: %d grace notes, %s", measures[0].place, n_graces, done)
    _warn_of_unsung(measures, voice, verse)
    verses = sorted({v for notes in lines.values() for note in notes for v in note.lyrics}) or [1]
    singer = _Singer()
    tempos = _tempos(measures)
    bpm, now, bars = DEFAULT_BPM, 0.0, [0.0]
    for index, times in unfold(measures):
        measure = measures[index]
        clock = _Clock(measure, now, tempos[index])
        nth = verses[times - 1] if times <= len(verses) else times
        sung_lines = _lines(lines[index], verse or nth, verses)
        for note, line in zip(lines[index], sung_lines, strict=True):
            start_sec, bpm = clock.at(note.start)
            end_sec, _ = clock.at(note.start + note.length)
            singer.note(note, start_sec, end_sec, line, bpm)
        now, bpm = clock.at(measure.length)
        bars.append(now)
    singer.silence_until(now, measures[-1].place if measures else "")
    return Melody(_breathe(singer.notes, singer.marked), singer.tempo or bpm, bars)
