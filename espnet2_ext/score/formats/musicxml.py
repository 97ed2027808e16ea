"""MusicXML (.musicxml, .xml) and its zip (.mxl): the sung part as a MusicScore.

An own reader, of what singing needs: pitch, time, tempo, ties, lyrics, repeats.
"""

import logging
from collections import Counter
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from espnet2_ext.archive import open_archive, read_member
from espnet2_ext.errors import UserError
from espnet2_ext.score.formats.assemble import assemble
from espnet2_ext.score.formats.sung_voice import say_which_part, sing_voice
from espnet2_ext.score.formats.xml_measures import parse_measures, verse_of
from espnet2_ext.score.formats.xml_melody import Melody
from espnet2_ext.score.music_score import MusicScore

MAX_BYTES = 64 * 2**20
_ARCHIVE = "a MusicXML archive"
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_NO_LANGUAGE = frozenset({"", "mis", "mul", "und", "x", "zxx"})
_ISO_639_3 = {
    "chi": "zh", "zho": "zh", "cmn": "zh", "jpn": "ja", "eng": "en",
    "deu": "de", "ger": "de", "fra": "fr", "fre": "fr",
}  # fmt: skip


def parse_musicxml(data: bytes, place: str | Path) -> Element:
    """The root of a MusicXML; raises `UserError` where it is broken or has entities of its own."""
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


def _load(path: Path) -> Element:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(path, f"{path.stat().st_size} bytes", f"at most {MAX_BYTES}")
        if path.suffix.lower() != ".mxl":
            return parse_musicxml(path.read_bytes(), path)
        with open_archive(path, _ARCHIVE) as archive:
            read = partial(read_member, archive, place=path, max_bytes=MAX_BYTES, expected=_ARCHIVE)
            container = parse_musicxml(read("META-INF/container.xml"), path)
            roots = [e.get("full-path") for e in container.iter() if e.tag.endswith("rootfile")]
            if not roots or not roots[0]:
                raise UserError(path, "a container without a score", _ARCHIVE)
            return parse_musicxml(read(roots[0]), f"{path}: {roots[0]}")
    except OSError as error:
        raise UserError(path, error.strerror or "not readable", "a MusicXML file") from None


def _choose_part(root: Element, part: str | None, path: Path) -> tuple[Element, str]:
    """The part, and its place for errors."""

    def chosen(element: Element, name: str) -> tuple[Element, str]:
        return element, f"{path}: part {name or element.get('id')}"

    if root.tag != "score-partwise":
        raise UserError(path, f"root element {root.tag!r}", "score-partwise")
    names = {
        element.get("id", ""): " ".join((element.findtext("part-name") or "").split())
        for element in root.iter("score-part")
    }
    parts = [(element, names.get(element.get("id", ""), "")) for element in root.findall("part")]
    if not parts:
        raise UserError(path, "no parts", "score-partwise with a part")
    if part is None:
        sung = [p for p in parts if p[0].find(".//lyric/text") is not None]
        if not sung:
            raise UserError(path, "no part has lyrics", "lyrics under the notes")
        say_which_part(path, [name or element.get("id", "") for element, name in sung])
        return chosen(*sung[0])
    for number, (element, name) in enumerate(parts, 1):
        if part in (str(number), name, element.get("id")):
            return chosen(element, name)
    listed = ", ".join(f"{i} ({name})" for i, (_, name) in enumerate(parts, 1))
    raise UserError(path, f"no part {part!r}", listed, "part")


def _stated(code: str | None) -> str:
    """The ISO 639 code of an xml:lang, "" where it names no language."""
    code = (code or "").strip().lower().replace("_", "-")
    main, _, rest = code.partition("-")
    if main == "zh" and "yue" in rest.split("-"):
        return "yue"
    return "" if main in _NO_LANGUAGE else _ISO_639_3.get(main, main)


def _language(root: Element, part: Element, verse: int, place: str) -> str | None:
    """The language that the lyrics of a verse say they are in; of any verse where it says none.

    Most of the lyrics decide, with a warning where others differ. Without any, it is the language
    the file gives for all lyrics.
    """
    by_verse: dict[int, Counter[str]] = {}
    for note in part.iter("note"):
        for index, lyric in enumerate(note.findall("lyric"), 1):
            said = [_stated(text.get(_XML_LANG)) for text in lyric.findall("text")]
            by_verse.setdefault(verse_of(lyric, index), Counter()).update(filter(None, said))
    for default in root.findall("defaults/lyric-language"):
        number = verse_of(default, verse)
        code = _stated(default.get(_XML_LANG))
        if code and not by_verse.get(number):
            by_verse[number] = Counter([code])
    counts = by_verse.get(verse) or sum(by_verse.values(), Counter())
    if not counts:
        return None
    language = counts.most_common(1)[0][0]
    if len(counts) > 1:
        others = ", ".join(f"{code} ({n})" for code, n in counts.most_common()[1:])
        logging.warning("%s: lyrics in %s: read in %s, as most are", place, others, language)
    return language


def read_musicxml(
    path: str | Path,
    part: str | None = None,
    voice: str | None = None,
    verse: int | None = None,
    language: str | None = None,
    graces: bool = True,
    default_language: str = "zh",
) -> MusicScore:
    """Read one voice of a score.

    Tied notes are one note, unless the second has a syllable; a note without a lyric goes on with
    the previous syllable, after a rest with its vowel; of a chord the top note is sung; repeats,
    their endings and jumps are played; grace notes take their time from the note after them, or
    before; a breath mark becomes a breath at the end of the rest after it, or of the note.

    Args:
        path: .musicxml, .xml or .mxl.
        part: Name, id, or number from 1; the first part with lyrics by default.
        voice: Of the part; the first with lyrics by default.
        verse: Number of the lyrics line; by default 1, and n in the n-th pass of a repeat.
            Measures where that line is not written, such as a refrain, take line 1.
        language: ISO 639 code; by default what the lyrics say.
        graces: Whether grace notes are sung, or left out.
        default_language: Where neither says it.

    Raises:
        UserError: broken, truncated or unsafe file; no such part, voice or verse; overlaps.
    """
    path = Path(path)
    return score_of_root(_load(path), path, part, voice, verse, language, graces, default_language)


def score_of_root(
    root: Element,
    path: Path,
    part: str | None,
    voice: str | None,
    verse: int | None,
    language: str | None,
    graces: bool,
    default_language: str,
) -> MusicScore:
    """Read one voice of a MusicXML that is parsed; arguments and errors as in `read_musicxml`."""
    element, place = _choose_part(root, part, path)
    melody, first = _melody(root, element, place, voice, verse, graces)
    language = language or _language(root, element, first, place) or default_language
    return assemble(melody.notes, str(path), melody.tempo, language, vocalise=True)


def _melody(
    root: Element, part: Element, place: str, voice: str | None, verse: int | None, graces: bool
) -> tuple[Melody, int]:
    """The melody of one voice of a part, and its first verse."""
    measures = parse_measures(part, place)
    others = [parse_measures(p, place) for p in root.findall("part") if p is not part]
    return sing_voice(measures, others, place, voice, verse, graces)


def read_bars(
    path: str | Path, part: str | None = None, voice: str | None = None, verse: int | None = None
) -> list[float]:
    """Times (s) at which the measures of a MusicXML begin, and the end of the last.

    Measures that are repeated stand as often as they are played; they are counted from the first,
    a pickup too. Arguments and errors are those of `read_musicxml`.
    """
    path = Path(path)
    root = _load(path)
    melody, _ = _melody(root, *_choose_part(root, part, path), voice, verse, graces=True)
    return melody.bars
