"""What a pack says of itself: read in a moment, to refuse a song before any model is loaded."""

import reprlib
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet2_ext.archive import open_archive, read_member
from espnet2_ext.config_types import describe, fits
from espnet2_ext.duration.timing import with_onsets
from espnet2_ext.errors import UserError
from espnet2_ext.files import parse_json, read_json, read_text
from espnet2_ext.score.lyrics.languages import LANGUAGES
from espnet2_ext.score.music_score import MusicScore
from espnet2_ext.score.segment import from_zero, transpose, without_phones

MANIFEST, PHONES = "manifest.json", "tokenizer/phones.txt"
FORMAT = 2
FORMATS = (1, FORMAT)
"""Packs of format 1 do not name their steps, which are those of SLM-SVS."""
MIDI_RANGE = (1, 127)
MAX_JSON_BYTES = 16 * 2**20
"""Of a pack's own tables, which are read whole."""


@dataclass(frozen=True)
class PackAbout:
    """Whom and what a pack sings.

    Args:
        languages: ISO 639 codes of the lyrics that it was trained on.
        midi_ranges: Lowest and highest MIDI number that each singer sang in training.
        phones: Its phone set.
    """

    languages: tuple[str, ...]
    midi_ranges: Mapping[str, tuple[int, int]]
    phones: frozenset[str]

    @classmethod
    def of(cls, manifest: Mapping[str, Any], phones: Iterable[str]) -> "PackAbout":
        """From a pack's manifest, as `read_manifest` has it, and its phones."""
        singers = manifest["singers"].items()
        ranges = {
            singer: (about["midi_range"][0], about["midi_range"][1]) for singer, about in singers
        }
        return cls(tuple(manifest["languages"]), ranges, frozenset(phones))

    @classmethod
    def read(cls, pack: str | Path) -> "PackAbout":
        """Read it from an archive or a folder.

        Raises:
            UserError: no pack, or a damaged one.
        """
        pack = Path(pack)
        if pack.is_dir():
            manifest = read_manifest(pack, pack)
            return cls.of(manifest, read_text(pack / PHONES, MAX_JSON_BYTES).split())
        with open_archive(pack, "a packed model") as archive:
            texts = [_text(archive, name, pack) for name in (MANIFEST, PHONES)]
        return cls.of(_checked(parse_json(texts[0], f"{pack}: {MANIFEST}"), pack), texts[1].split())

    @property
    def only_language(self) -> str | None:
        """The language, where the pack sings one."""
        return self.languages[0] if len(self.languages) == 1 else None

    def range_of(self, singer: str | None) -> tuple[int, int]:
        """MIDI range that a singer sang in training; of all singers for a voice from a prompt."""
        known = self.midi_ranges.get(singer or "")
        ranges = list(self.midi_ranges.values()) if known is None else [known]
        return min(low for low, _ in ranges), max(high for _, high in ranges)

    def prepare(
        self,
        score: MusicScore,
        place: str | Path,
        singer: str | None = None,
        timing: str = "auto",
        semitones: int = 0,
        onset: str = "corpus",
    ) -> MusicScore:
        """The score as it will be sung: with phone times where they are the label's.

        Args:
            score: As it was read.
            place: Where from, for errors and warnings.
            singer: Who will sing; None for a voice from a prompt.
            timing: As `SingingSynthesizer` takes it; so are the others.
            semitones: Transposition.
            onset: What falls on the beat, of a label's timing.

        Raises:
            UserError: a singer, syllable or phone that the pack does not know; a label that is
                asked for and not there, or begins too late; notes transposed out of MIDI's range.
        """
        if singer is not None and singer not in self.midi_ranges:
            singers = ", ".join(self.midi_ranges)
            raise UserError("singer", f"{singer!r} is not in the pack", singers)
        if timing == "label" and not score.phones:
            raise UserError(place, "no phone times", "a label, or timing by the model")
        if timing == "model":
            score = without_phones(score)
        try:
            score = transpose(from_zero(score), semitones)
        except ValueError as error:
            raise UserError(place, str(error)) from None
        self._check_phones(score, place)
        return with_onsets(score, onset, str(place)) if score.phones else score

    def remarks(self, score: MusicScore, singer: str | None) -> list[str]:
        """What is sung though the pack was not trained on it: notes, or another language."""
        found = []
        low, high = self.range_of(singer)
        sung = sorted({note.midi for note in score.notes if not note.is_rest})
        outside = ", ".join(str(midi) for midi in sung if not low <= midi <= high)
        if outside:
            known = f"what this singer sang in training ({low}-{high})"
            found.append(f"notes {outside} lie outside {known}; sung anyway")
        if sung and self.languages and score.language not in self.languages:
            found.append(f"lyrics in {_name(score.language)}; the pack sings {self._sings}")
        return found

    @property
    def _sings(self) -> str:
        return " or ".join(map(_name, self.languages))

    def _check_phones(self, score: MusicScore, place: str | Path) -> None:
        language = f", of lyrics in {_name(score.language)}"
        for index, note in enumerate(score.notes):
            at = f"{place}: note {index + 1}"
            if not note.phones:
                raise UserError(at, f"syllable {note.lyric!r} without phones",
                                "a syllable that the model's lexicon knows")  # fmt: skip
            for phone in note.phones:
                self._check_phone(phone, f"{at} ({note.lyric})", language)
        for performed in score.phones:
            at = f"{place}: phone at {performed.start_sec:.3f} s"
            self._check_phone(performed.phone, at, language)

    def _check_phone(self, phone: str, place: str, language: str) -> None:
        if phone not in self.phones:
            sings = f", which sings {self._sings}" if self.languages else "'s phone set"
            raise UserError(place, f"phone {phone!r}{language}", f"a phone of the pack{sings}")


def _name(code: str) -> str:
    known = LANGUAGES.get(code)
    return f"{known.name} ({code})" if known else code


def read_manifest(folder: Path, place: str | Path) -> dict[str, Any]:
    """``manifest.json`` of a pack's folder.

    Args:
        folder: The unpacked pack.
        place: The pack as the user named it, for errors.

    Raises:
        UserError: there is none, of this format; or singers or languages are missing or of another
            form.
    """
    if not (folder / MANIFEST).is_file():
        raise UserError(place, f"no {MANIFEST}", "a packed model")
    return _checked(read_json(folder / MANIFEST, MAX_JSON_BYTES), place)


def _checked(manifest: Any, place: str | Path) -> dict[str, Any]:
    place = f"{place}: {MANIFEST}"
    if not isinstance(manifest, dict):
        raise UserError(place, f"a {type(manifest).__name__}", "a mapping")
    for key, hint in (("format", int), ("languages", list[str]), ("singers", dict[str, dict])):
        if not fits(manifest.get(key), hint):
            raise UserError(place, reprlib.repr(manifest.get(key)), describe(hint), key)
    if manifest["format"] not in FORMATS:
        raise UserError(place, f"{manifest['format']}", " or ".join(map(str, FORMATS)), "format")
    if manifest["format"] == FORMAT and not fits(manifest.get("steps"), list[dict[str, str]]):
        expected = "a list of names and models"
        raise UserError(place, reprlib.repr(manifest.get("steps")), expected, "steps")
    if not manifest["singers"]:
        raise UserError(place, "none", "one or more", "singers")
    for singer, about in manifest["singers"].items():
        sung = about.get("midi_range")
        if not fits(sung, tuple[int, int]) or not 0 <= sung[0] <= sung[1] <= MIDI_RANGE[1]:
            expected = "lowest and highest MIDI number"
            raise UserError(f"{place}: {singer}", reprlib.repr(sung), expected, "midi_range")
    return manifest


def _text(archive: zipfile.ZipFile, name: str, pack: Path) -> str:
    data = read_member(archive, name, pack, MAX_JSON_BYTES, "a packed model")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{pack}: {name}", "bytes that are not UTF-8", "UTF-8 text") from None
