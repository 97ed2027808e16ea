"""Write a score as MusicXML: one part in 4/4, notes tied over the bars."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from espnet2_ext.files import atomic_path
from espnet2_ext.score.formats.losses import losses_of_file
from espnet2_ext.score.formats.musicxml import read_musicxml
from espnet2_ext.score.formats.sung_words import lyric_of
from espnet2_ext.score.formats.ticks import fine_ticks, note_ticks
from espnet2_ext.score.lyrics.languages import language_of
from espnet2_ext.score.music_score import BREATH, REST_MIDI, MusicScore, Note

_BEATS = 4
_STEPS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_DOCTYPE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" '
    '"http://www.musicxml.org/dtds/partwise.dtd">\n'
)
_CONTAINER = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<container><rootfiles>'
    '<rootfile full-path="score.musicxml"/></rootfiles></container>\n'
)
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the same score gives the same bytes


def _add(parent: Element, tag: str, text: object = None, **attributes: str) -> Element:
    child = SubElement(parent, tag, attributes)
    child.text = None if text is None else str(text)
    return child


def _pieces(start: int, end: int, bar: int) -> Iterator[tuple[int, int]]:
    """A span cut at the bar lines."""
    while start < end:
        stop = min(end, (start // bar + 1) * bar)
        yield start, stop
        start = stop


def _pitch(parent: Element, midi: int) -> None:
    pitch = _add(parent, "pitch")
    name = _STEPS[midi % 12]
    _add(pitch, "step", name[0])
    if len(name) > 1:
        _add(pitch, "alter", 1)
    _add(pitch, "octave", midi // 12 - 1)


class _Lyrics:
    """Lyric elements; a hyphen at the end of a lyric becomes MusicXML's `syllabic`."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.hyphens = language_of(language).hyphens
        self.inside = False

    def add(self, parent: Element, note: Note, melisma: bool) -> None:
        text = lyric_of(note)
        goes_on = self.hyphens and text.endswith("-")
        kind = {(0, 0): "single", (0, 1): "begin", (1, 1): "middle", (1, 0): "end"}
        lyric = _add(parent, "lyric", number="1")
        _add(lyric, "syllabic", kind[self.inside, goes_on])
        word = _add(lyric, "text", text.removesuffix("-") if goes_on else text)
        word.set("xml:lang", self.language)
        if melisma:
            _add(lyric, "extend")
        self.inside = goes_on


def _note_element(
    note: Note, length: int, first: bool, last: bool, lyrics: _Lyrics, melisma: bool
) -> Element:
    element = Element("note")
    if note.is_rest:
        _add(element, "rest")
    else:
        _pitch(element, note.midi)
    _add(element, "duration", length)
    ties = () if note.is_rest else [t for t, on in (("stop", not first), ("start", not last)) if on]
    for tie in ties:
        _add(element, "tie", type=tie)
    _add(element, "voice", 1)
    if ties or note.phones == (BREATH,):
        notations = _add(element, "notations")
        for tie in ties:
            _add(notations, "tied", type=tie)
        if note.phones == (BREATH,):
            _add(_add(notations, "articulations"), "breath-mark")
    if first and not (note.is_rest or note.slur):
        lyrics.add(element, note, melisma)
    return element


def _document(score: MusicScore) -> Element:
    per_beat = fine_ticks(score.tempo)
    bar = per_beat * _BEATS
    rows = note_ticks(score, per_beat)
    if rows[0][1]:  # a bar begins at 0
        rows.insert(0, (Note(0.0, score.notes[0].start_sec, REST_MIDI), 0, rows[0][1]))
    root = Element("score-partwise", version="4.0")
    _add(_add(_add(root, "part-list"), "score-part", id="P1"), "part-name", "Voice")
    part = _add(root, "part", id="P1")
    measures = [_add(part, "measure", number=str(i + 1)) for i in range(-(-rows[-1][2] // bar))]
    attributes = _add(measures[0], "attributes")
    _add(attributes, "divisions", per_beat)
    _add(_add(attributes, "key"), "fifths", 0)
    time = _add(attributes, "time")
    _add(time, "beats", _BEATS)
    _add(time, "beat-type", 4)
    clef = _add(attributes, "clef")
    _add(clef, "sign", "G")
    _add(clef, "line", 2)
    _add(measures[0], "sound", tempo=f"{score.tempo:.9f}".rstrip("0").rstrip("."))
    lyrics = _Lyrics(score.language)
    for index, (note, start, end) in enumerate(rows):
        melisma = index + 1 < len(rows) and rows[index + 1][0].slur
        for begin, stop in _pieces(start, end, bar):
            first, last = begin == start, stop == end
            element = _note_element(note, stop - begin, first, last, lyrics, melisma)
            measures[begin // bar].append(element)
    return root


def write_musicxml(path: str | Path, score: MusicScore) -> list[str]:
    """Write the notes of a score as MusicXML; .mxl compressed.

    The score's one tempo holds; divisions are fine enough to keep every time to half a
    millisecond. Breaths are rests with a breath mark; slurs are notes without a lyric.

    Returns:
        list[str]: What the file does not hold.
    """
    path = Path(path)
    root = _document(score)
    indent(root)
    data = (_DOCTYPE + tostring(root, encoding="unicode") + "\n").encode()
    with atomic_path(path) as part:
        if path.suffix.lower() == ".mxl":
            with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, member in (
                    ("META-INF/container.xml", _CONTAINER.encode()),
                    ("score.musicxml", data),
                ):
                    archive.writestr(zipfile.ZipInfo(name, _ZIP_DATE), member, zipfile.ZIP_DEFLATED)
        else:
            part.write_bytes(data)
    return losses_of_file(read_musicxml, path, score, has_language=True)
