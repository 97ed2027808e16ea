"""MusicXML (.musicxml, .xml) and its zip (.mxl): the sung part as a MusicScore.

An own reader, of what singing needs: pitch, time, tempo, ties, lyrics, repeats.
"""

import logging
import zipfile
from fractions import Fraction
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from espnet2_ext.errors import UserError
from espnet2_ext.score.assemble import SungNote, assemble
from espnet2_ext.score.music_score import MusicScore
from espnet2_ext.score.xml_measures import Measure, XmlNote, parse_measures, unfold

MAX_BYTES = 64 * 2**20
MAX_RATIO = 200
_DEFAULT_BPM = 120.0


def _parse(data: bytes, place: str | Path) -> Element:
    from defusedxml.common import DefusedXmlException
    from defusedxml.ElementTree import fromstring

    try:
        return fromstring(data)
    except DefusedXmlException:
        raise UserError(place, "XML that declares entities", "plain MusicXML") from None
    except ParseError as error:
        line = getattr(error, "position", (0,))[0]
        raise UserError(f"{place}:{line}", f"broken XML ({error})", "a whole MusicXML") from None
    except (ValueError, LookupError) as error:  # an encoding that XML or Python does not have
        raise UserError(place, f"broken XML ({error})", "a whole MusicXML") from None


def _read_member(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise UserError(path, f"no member {name!r}", "a MusicXML archive") from None
    packed = max(1, info.compress_size)
    if info.file_size > min(MAX_BYTES, max(2**20, MAX_RATIO * packed)):
        raise UserError(f"{path}: {name}", f"unpacks to {info.file_size} bytes", "a score")
    with archive.open(info) as member:
        data = member.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise UserError(f"{path}: {name}", "unpacks to more than it says", "a score")
    return data


def _load(path: Path) -> Element:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(path, f"{path.stat().st_size} bytes", f"at most {MAX_BYTES}")
        if path.suffix.lower() != ".mxl":
            return _parse(path.read_bytes(), path)
        with zipfile.ZipFile(path) as archive:
            container = _parse(_read_member(archive, "META-INF/container.xml", path), path)
            roots = [e.get("full-path") for e in container.iter() if e.tag.endswith("rootfile")]
            if not roots or not roots[0]:
                raise UserError(path, "a container without a score", "a MusicXML archive")
            return _parse(_read_member(archive, roots[0], path), f"{path}: {roots[0]}")
    except OSError as error:
        raise UserError(path, error.strerror or "not readable", "a MusicXML file") from None
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        raise UserError(path, f"damaged archive ({error})", "a MusicXML archive") from None
    except zipfile.zlib.error as error:
        raise UserError(path, f"damaged archive ({error})", "a MusicXML archive") from None


def _choose_part(root: Element, part: str | None, path: Path) -> tuple[Element, str]:
    if root.tag != "score-partwise":
        raise UserError(path, f"root element {root.tag!r}", "score-partwise")
    names = {
        element.get("id", ""): (element.findtext("part-name") or "").strip()
        for element in root.iter("score-part")
    }
    parts = [(element, names.get(element.get("id", ""), "")) for element in root.findall("part")]
    if not parts:
        raise UserError(path, "no parts", "score-partwise with a part")
    if part is None:
        chosen = next((p for p in parts if p[0].find(".//lyric/text") is not None), None)
        if chosen is None:
            raise UserError(path, "no part has lyrics", "lyrics under the notes")
        return chosen
    for number, (element, name) in enumerate(parts, 1):
        if part in (str(number), name, element.get("id")):
            return element, name
    listed = ", ".join(f"{i} ({name})" for i, (_, name) in enumerate(parts, 1))
    raise UserError(path, f"no part {part!r}", listed, "part")


def _choose_voice(measures: list[Measure], voice: str | None, place: str) -> str:
    voices: dict[str, bool] = {}
    for measure in measures:
        for note in measure.notes:
            voices[note.voice] = voices.get(note.voice, False) or bool(note.lyrics)
    if voice is not None:
        if voice not in voices:
            raise UserError(place, f"no voice {voice!r}", ", ".join(sorted(voices)), "voice")
        return voice
    if not voices:
        raise UserError(place, "no notes", "a part with notes")
    return next((name for name, sings in voices.items() if sings), next(iter(voices)))


def _verse_in(notes: list[XmlNote], wanted: int) -> int:
    """The verse to sing in a measure: verse 1 where the wanted one is not written (a refrain)."""
    return wanted if any(wanted in note.lyrics for note in notes) else 1


def _melody(notes: list[XmlNote]) -> list[XmlNote]:
    """The top note of each chord, with whichever lyric the chord carries."""
    melody: list[XmlNote] = []
    for note in notes:
        if melody and note.chord and note.start == melody[-1].start:
            top = max(melody[-1], note, key=lambda n: n.midi)
            top.lyrics = {**note.lyrics, **melody[-1].lyrics}
            melody[-1] = top
        else:
            melody.append(note)
    return melody


def _sung(
    measures: list[Measure], voice: str, verse: int | None, bpms: list[list[tuple[Fraction, float]]]
) -> tuple[list[SungNote], float, float]:
    """Notes in seconds, the tempo in force at the first one, and the end of the music (s)."""
    sung: list[SungNote] = []
    bpm, tempo, now = _DEFAULT_BPM, None, 0.0
    tied: set[int] = set()
    for index, times in unfold(measures):
        measure = measures[index]
        # (position, seconds, bpm) at which each tempo of this measure begins
        clock = [(Fraction(0), now, bpm)]
        for offset, bpm in bpms[index]:
            position, at, previous = clock[-1]
            clock.append((offset, at + float(offset - position) * 60 / previous, bpm))

        def seconds(
            position: Fraction, clock: list[tuple[Fraction, float, float]] = clock
        ) -> float:
            since, at, bpm = [c for c in clock if c[0] <= position][-1]
            return at + float(position - since) * 60 / bpm

        notes = _melody([n for n in measure.notes if n.voice == voice])
        line = _verse_in(notes, verse or times)
        for note in notes:
            start, end = seconds(note.start), seconds(note.start + note.length)
            held = sung[-1] if note.tie_stop and note.midi in tied and sung else None
            if held and abs(held.end_sec - start) < 1e-6:
                sung[-1] = SungNote(held.start_sec, end, held.midi, held.lyric, held.place)
            else:
                if tempo is None:
                    tempo = [c for c in clock if c[0] <= note.start][-1][2]
                sung.append(SungNote(start, end, note.midi, note.lyrics.get(line), note.place))
            tied = {note.midi} if note.tie_start else set()
        now = seconds(measure.length)
    return sung, tempo or bpm, now


def read_musicxml(
    path: str | Path,
    part: str | None = None,
    voice: str | None = None,
    verse: int | None = None,
    language: str = "zh",
) -> MusicScore:
    """Read one voice of a score.

    Tied notes are one note; a note without a lyric goes on with the previous syllable; of a chord
    the top note is sung; grace notes are left out; repeats and their endings are played.

    Args:
        path: .musicxml, .xml or .mxl.
        part: Name, id, or number from 1; the first part with lyrics by default.
        voice: Of the part; the first with lyrics by default.
        verse: Number of the lyrics line; by default 1, and n in the n-th pass of a repeat.
            Measures where that line is not written, such as a refrain, take line 1.
        language: ISO 639 code.

    Raises:
        UserError: broken, truncated or unsafe file; no such part, voice or verse; overlaps.
    """
    path = Path(path)
    root = _load(path)
    element, name = _choose_part(root, part, path)
    place = f"{path}: part {name or element.get('id')}"
    measures = parse_measures(element, place)
    voice = _choose_voice(measures, voice, place)
    in_voice = [note for measure in measures for note in measure.notes if note.voice == voice]
    verses = sorted({number for note in in_voice for number in note.lyrics})
    if verse is not None and verse not in verses:
        listed = ", ".join(map(str, verses)) or "lyrics"
        raise UserError(f"{place}: voice {voice}", f"no verse {verse}", listed, "verse")
    if not verses:
        raise UserError(f"{place}: voice {voice}", "no lyrics", "lyrics under the notes")
    bpms = [list(measure.bpms) for measure in measures]
    for other in root.findall("part"):  # a score writes its tempo in the first part only
        if other is not element:
            for index, measure in enumerate(parse_measures(other, place)[: len(bpms)]):
                bpms[index] = sorted({**dict(measure.bpms), **dict(bpms[index])}.items())
    if any(measure.jumps for measure in measures):
        logging.warning("%s: jumps (da capo, dal segno, coda) are not followed", place)
    sung, tempo, end_sec = _sung(measures, voice, verse, bpms)
    return assemble(sung, str(path), tempo, language, end_sec)
