"""ABC (.abc), Humdrum (.krn) and MEI (.mei), as MusicXML that converter21 makes of them.

converter21 is MIT, music21 on which it builds BSD-3, and the abc2xml within it LGPL-3. They are the
optional extra `notation`. What they lose in silence is looked for here, and warned about.
"""

import json
import logging
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from xml.etree.ElementTree import Element

from espnet2_ext.errors import UserError
from espnet2_ext.files import read_bytes
from espnet2_ext.score.formats.abc_tunes import sung_in_another_order, tempo_in_words, tune_of
from espnet2_ext.score.formats.code_pages import decode, encodings
from espnet2_ext.score.formats.kern_text import expanded_otherwise, syllables_of_kern
from espnet2_ext.score.formats.kern_text import tempo_in_words as tempo_in_words_of_kern
from espnet2_ext.score.formats.mei_endings import add_endings
from espnet2_ext.score.formats.mei_text import prepare_mei
from espnet2_ext.score.formats.musicxml import parse_musicxml, score_of_root
from espnet2_ext.score.music_score import MusicScore

MAX_BYTES = 8 * 2**20
MAX_SEC = 300
_WORKER = Path(__file__).with_name("notation_worker.py")
_SHOWN = 3  # remarks of the library
_NO_REMARKS = ("decoded from", "-- decoded from", "-- skipped I-field", "-- skipped header")


def _musicxml(text: str, kind: str, path: Path) -> Element:
    """The MusicXML of a text; the library's remarks are warnings.

    Raises:
        UserError: the extra is not installed, or the library cannot read the text, in one line.
    """
    if find_spec("converter21") is None:
        found = f"{path.suffix} needs the package converter21, which is not installed"
        raise UserError(path, found, "pip install 'espnet2-ext[notation]', or MusicXML")
    command = [sys.executable, "-P", str(_WORKER), kind]
    expected = f"a whole {path.suffix} file, or export MusicXML"
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=MAX_SEC)
    except subprocess.TimeoutExpired:
        raise UserError(path, f"not read within {MAX_SEC} s", "a smaller file") from None
    try:
        answer = json.loads(done.stdout) if done.returncode == 0 else None
    except ValueError:
        answer = None
    if answer is None:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        reason = last or f"status {done.returncode}"
        raise UserError(path, f"converter21 ended ({reason})", expected)
    if "error" in answer:
        raise UserError(path, f"converter21 cannot read it ({answer['error']})", expected)
    remarks = [r for r in dict.fromkeys(answer["remarks"]) if not r.startswith(_NO_REMARKS)]
    if remarks:
        shown = "; ".join(remarks[:_SHOWN])
        logging.warning("%s: %d remarks of converter21: %s", path, len(remarks), shown[:400])
    root = parse_musicxml(answer["musicxml"].encode(), path)
    own = {part.get("id", ""): f"P{number}" for number, part in enumerate(root.iter("part"), 1)}
    for element in [*root.iter("part"), *root.iter("score-part")]:  # their ids are random
        element.set("id", own.get(element.get("id", ""), ""))
    return root


def _text(path: Path, language: str) -> str:
    """The text of a file that may be older than UTF-8: then in a code page, with a warning."""
    data = read_bytes(path, MAX_BYTES)
    for encoding in (*encodings([data], language), "latin-1"):
        text = decode(data, [encoding])
        if text is not None:
            if encoding != "utf-8-sig":
                logging.warning("%s: not UTF-8, read as %s", path, encoding)
            return text.replace("\r\n", "\n").replace("\r", "\n")
    raise AssertionError("latin-1 takes any bytes")


def _warn_of_lost(root: Element, written: int, path: Path) -> None:
    """Say where the MusicXML has fewer syllables than the file."""
    kept = sum(lyric.find("text") is not None for lyric in root.iter("lyric"))
    if kept < written:
        found = f"{written - kept} of {written} syllables are not read by converter21"
        logging.warning("%s: %s", path, found)


def _warn_of_words(words: list[str], path: Path) -> None:
    """Say which tempo marks have no number, for which converter21 may guess one."""
    if words:
        found = f"tempo in words alone, guessed or not read: {'; '.join(words[:_SHOWN])}"
        logging.warning("%s: %s", path, found[:400])


def read_abc(
    path: str | Path,
    part: str | None = None,
    voice: str | None = None,
    verse: int | None = None,
    language: str | None = None,
    default_language: str = "zh",
    utt: str | None = None,
) -> MusicScore:
    """Read a tune of an ABC file, as `read_musicxml` reads its MusicXML.

    Args:
        path: A .abc.
        part: Name of a voice (V:), or its number from 1; the first with lyrics by default.
        voice: Of overlays (``&``) in that voice.
        verse: Number of the ``w:`` line under each line of notes.
        language: ISO 639 code of the lyrics.
        default_language: Where it is not given.
        utt: Number of the tune (X:), where there are several.

    Raises:
        UserError: naming the tune, measure and note of the first mistake; without the extra.
    """
    path = Path(path)
    tune = tune_of(_text(path, language or default_language), utt, path)
    if sung_in_another_order(tune):
        logging.warning("%s: the order of parts (P:) is not played: as written", path)
    _warn_of_words(tempo_in_words(tune), path)
    root = _musicxml(tune, "abc", path)
    return score_of_root(root, path, part, voice, verse, language, True, default_language)


def read_kern(
    path: str | Path,
    part: str | None = None,
    voice: str | None = None,
    verse: int | None = None,
    language: str | None = None,
    default_language: str = "zh",
) -> MusicScore:
    """Read a Humdrum file of **kern and **text spines, as `read_musicxml` reads its MusicXML.

    Args:
        path: A .krn.
        part: Name of an instrument, or its number from 1; the first with lyrics by default.
        voice: Of a spine that splits.
        verse: Number of the **text spine.
        language: ISO 639 code of the lyrics.
        default_language: Where it is not given.

    Raises:
        UserError: naming measure and note of the first mistake; without the extra.
    """
    path = Path(path)
    text = _text(path, language or default_language)
    if "**kern" not in text:
        raise UserError(path, "no **kern spine", "a Humdrum file")
    if expanded_otherwise(text):
        logging.warning("%s: the order of sections (*>[]) is not played: as written", path)
    _warn_of_words(tempo_in_words_of_kern(text), path)
    root = _musicxml(text, "humdrum", path)
    _warn_of_lost(root, syllables_of_kern(text), path)
    return score_of_root(root, path, part, voice, verse, language, True, default_language)


def read_mei(
    path: str | Path,
    part: str | None = None,
    voice: str | None = None,
    verse: int | None = None,
    language: str | None = None,
    default_language: str = "zh",
) -> MusicScore:
    """Read an MEI file, as `read_musicxml` reads its MusicXML.

    Args:
        path: A .mei.
        part: Label of a staff, or its number from 1; the first with lyrics by default.
        voice: Number of a layer.
        verse: Number of a verse.
        language: ISO 639 code of the lyrics.
        default_language: Where it is not given.

    Raises:
        UserError: naming measure and note of the first mistake; without the extra.
    """
    path = Path(path)
    mei = prepare_mei(read_bytes(path, MAX_BYTES), path)
    _warn_of_words(mei.tempo_in_words, path)
    root = _musicxml(mei.text, "mei", path)
    _warn_of_lost(root, mei.syllables, path)
    if mei.endings and not add_endings(root, mei.endings, mei.n_measures):
        logging.warning("%s: %d endings are not played as such", path, len(mei.endings))
    return score_of_root(root, path, part, voice, verse, language, True, default_language)
