"""MuseScore's own format, versions 3 and 4: XML (.mscx), or a zip of it (.mscz).

Read as MusicXML is, but for marks of tempo: hidden ones hold too, as in MuseScore's player, while
its MusicXML export leaves them out.
"""

import itertools
import logging
from collections import Counter
from pathlib import Path
from xml.etree.ElementTree import Element

from espnet2_ext.archive import open_archive, read_member
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_bytes
from espnet2_ext.score.formats.assemble import assemble
from espnet2_ext.score.formats.mscx_measures import NOT_PLAYED, Staff, parse_staff
from espnet2_ext.score.formats.project_fields import MAX_BYTES, parse_xml
from espnet2_ext.score.formats.sung_voice import say_which_part, sing_voice
from espnet2_ext.score.formats.xml_melody import DEFAULT_BPM
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
    numbers = itertools.count(1)  # since 4.6 the staves of a part have no id, but stand in order
    parts = [
        (
            " ".join((p.findtext("trackName") or "").split()),
            [s.get("id") or str(n) for s, n in zip(p.findall("Staff"), numbers, strict=False)],
        )
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
    sung = [
        (staves[own], name)
        for name, ids in wanted
        for own in ids
        if own in staves and staves[own].find(".//Lyrics") is not None
    ]
    if not sung:
        raise UserError(path, "no lyrics", "lyrics under the notes")
    say_which_part(path, [name or staff.get("id", "") for staff, name in sung])
    return sung[0]


def _set_first_tempo(staves: list[Staff]) -> None:
    """Put the first tempo of the score where a mark says to take it up again."""
    marks = [
        (index, position, bpm)
        for staff in staves
        for index, measure in enumerate(staff.measures)
        for position, bpm in measure.bpms
    ]
    first = min(marks)[2] if marks else DEFAULT_BPM
    for staff in staves:
        for index, position in staff.primos:
            staff.measures[index].bpms = sorted([*staff.measures[index].bpms, (position, first)])


def _warn_of_what_is_not_played(staves: list[Staff], place: Path) -> None:
    counts = sum((staff.not_played for staff in staves), Counter())
    for what, count in sorted(counts.items()):
        logging.warning("%s: %d %s", place, count, NOT_PLAYED[what])


def read_mscx(
    path: str | Path,
    part: str | None = None,
    voice: str | None = None,
    verse: int | None = None,
    language: str = "zh",
) -> MusicScore:
    """Read one voice of a score, as `read_musicxml` does.

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
    score = _load(path)
    element, name = _choose_staff(score, part, path)
    place = f"{path}: part {name or element.get('id')}"
    staff = parse_staff(element, place)
    others = [parse_staff(s, place) for s in score.findall("Staff") if s is not element]
    _set_first_tempo([staff, *others])
    _warn_of_what_is_not_played([staff, *others], path)
    melody, _ = sing_voice(
        staff.measures, [other.measures for other in others], place, voice, verse
    )
    return assemble(melody.notes, str(path), melody.tempo, language, vocalise=True)
