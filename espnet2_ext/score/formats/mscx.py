"""MuseScore's own format, versions 3 and 4: XML (.mscx), or a zip of it (.mscz).

Half done: of 62 real songs, a MusicXML export of the same song gave other times in 34
and other notes in 9, and which of the two is right has not been looked into. Each reading says so.
"""

import logging
from pathlib import Path
from xml.etree.ElementTree import Element

from espnet2_ext.archive import open_archive, read_member
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_bytes
from espnet2_ext.score.formats.assemble import assemble
from espnet2_ext.score.formats.mscx_measures import parse_staff
from espnet2_ext.score.formats.project_fields import MAX_BYTES, parse_xml
from espnet2_ext.score.formats.xml_measures import Measure
from espnet2_ext.score.formats.xml_melody import sing
from espnet2_ext.score.music_score import MusicScore

_EXPECTED = "a score of MuseScore"


def _load(path: Path) -> Element:
    """The score of the file; of an archive the main one, not the excerpts of its parts."""
    if path.suffix.lower() == ".mscz":
        with open_archive(path, _EXPECTED) as archive:
            names = [n for n in archive.namelist() if n.lower().endswith(".mscx") and "/" not in n]
            name = names[0] if names else "score.mscx"
            data = read_member(archive, name, path, MAX_BYTES, _EXPECTED)
    else:
        data = read_bytes(path, MAX_BYTES)
    root = parse_xml(data, path, _EXPECTED)
    if root.tag != "museScore":
        raise UserError(path, f"root element {root.tag!r}", f"{_EXPECTED}: museScore")
    version = root.get("version", "")
    if version.partition(".")[0] not in ("3", "4"):
        expected = "version 3 or 4: save it anew, or export MusicXML"
        raise UserError(path, f"version {version!r}", expected, "museScore")
    score = root.find("Score")
    if score is None:
        raise UserError(path, "no score", _EXPECTED, "Score")
    return score


def _choose_staff(score: Element, part: str | None, path: Path) -> tuple[Element, str]:
    """The first staff with lyrics of the part named, by default of all; and the part's name."""
    staves = {staff.get("id"): staff for staff in score.findall("Staff")}
    parts = [
        ((p.findtext("trackName") or "").strip(), [s.get("id") for s in p.findall("Staff")])
        for p in score.findall("Part")
    ]
    wanted = [
        (name, ids)
        for number, (name, ids) in enumerate(parts, 1)
        if part is None or part in (str(number), name)
    ]
    if not wanted:
        listed = ", ".join(f"{number} ({name})" for number, (name, _) in enumerate(parts, 1))
        raise UserError(path, f"no part {part!r}" if part else "no parts", listed, "part")
    for name, ids in wanted:
        for own in ids:
            staff = staves.get(own)
            if staff is not None and staff.find(".//Lyrics") is not None:
                return staff, name
    raise UserError(path, "no lyrics", "lyrics under the notes")


def _choose_voice(measures: list[Measure], voice: str | None, place: str) -> str:
    """The voice named; by default the first with lyrics."""
    notes = [note for measure in measures for note in measure.notes if note.midi]
    voices = sorted({note.voice for note in notes})
    if voice is not None and voice not in voices:
        raise UserError(place, f"no voice {voice!r}", ", ".join(voices), "voice")
    singing = sorted({note.voice for note in notes if note.lyrics and voice in (None, note.voice)})
    if not singing:
        raise UserError(place, "no lyrics", "lyrics under the notes")
    return singing[0]


def _share_marks(measures: list[Measure], others: list[list[Measure]]) -> None:
    """Give a staff the tempo marks, endings and jumps of the others: the first staff has them."""
    for other in others:
        for mine, theirs in zip(measures, other, strict=False):
            mine.bpms = sorted({**dict(theirs.bpms), **dict(mine.bpms)}.items())
            mine.signs = {**theirs.signs, **mine.signs}
            mine.passes = mine.passes or theirs.passes


def read_mscx(
    path: str | Path,
    part: str | None = None,
    voice: str | None = None,
    verse: int | None = None,
    language: str = "zh",
) -> MusicScore:
    """Read one voice of a score, as `read_musicxml` does, and say that it may not be all of it.

    Args:
        path: .mscx or .mscz.
        part: Name, or number from 1; the first with lyrics by default.
        voice: Of the staff, 1 to 4; the first with lyrics by default.
        verse: Number of the lyrics line; by default 1, and n in the n-th pass of a repeat.
        language: ISO 639 code of the lyrics.

    Raises:
        UserError: broken or unsafe file, another version; no such part, voice or verse; overlaps.
    """
    path = Path(path)
    logging.warning("%s: repeats, graces and tempo of MuseScore's own format may be read otherwise "
                    "than it plays them: a MusicXML export is read in full", path)  # fmt: skip
    score = _load(path)
    staff, name = _choose_staff(score, part, path)
    place = f"{path}: part {name or staff.get('id')}"
    measures = parse_staff(staff, place)
    voice = _choose_voice(measures, voice, place)
    in_voice = [note for measure in measures for note in measure.notes if note.voice == voice]
    verses = sorted({number for note in in_voice for number in note.lyrics})
    if verse is not None and verse not in verses:
        listed = ", ".join(map(str, verses))
        raise UserError(f"{place}: voice {voice}", f"no verse {verse}", listed, "verse")
    others = [parse_staff(s, place) for s in score.findall("Staff") if s is not staff]
    _share_marks(measures, others)
    melody = sing(measures, voice, verse, True)
    return assemble(melody.notes, str(path), melody.tempo, language)
