"""A UTAU voicebank: its morae, each with the stretches of recordings that sing it.

Japanese banks of kana or romaji, CV (``か``) or VCV (``a か``, ``- か``). Aliases that are no mora
(``a R``, ``k``) are left alone; of breaths the first is kept. What is wrong with a line of
``oto.ini`` costs that line alone; a bank without enough morae left is refused.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from espnet2_ext.audio.wav import audio_info
from espnet2_ext.corpora.mini.oto import MAX_BYTES, OtoLine, read_legacy_text, read_oto
from espnet2_ext.corpora.mini.oto import NAME as OTO
from espnet2_ext.corpora.mini.words import SungSyllable
from espnet2_ext.corpora.preparer import Rejects
from espnet2_ext.digest import digest_files
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_bytes
from espnet2_ext.score.formats.aliases import lyric_of_alias
from espnet2_ext.score.lyrics.japanese import VOWELS
from espnet2_ext.score.lyrics.languages import LANGUAGES
from espnet2_ext.score.music_score import BREATH

LANGUAGE = "ja"
MIN_MORAE = 10
_MAX_FOLDERS = 200
_SHORTEST_VOWEL_SEC = 0.05
_LATE_SEC = 0.05  # of rounding: an end so little past the recording's is the recording's
_CONTEXT = re.compile(r"([aiueonN*-])\s+\S")
_BEGINNING = "-"
_MORA = re.compile(r"[ぁ-ゖァ-ヶー゛゜]+|[a-z']+")
_CHARACTER = "character.txt"
_TERMS = re.compile("read.?me|licen[sc]e|terms|規約|りどみ|お読み|およみ", re.IGNORECASE)
_TERMS_SUFFIXES = ("", ".txt", ".md")
_MAX_TERMS_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Sample:
    """What sings a mora after a context: times in s, `start_sec` and `end_sec` in the recording.

    Args:
        place: The line of ``oto.ini``.
        path: The recording.
        phones: One vowel or ん, or a consonant and its vowel; none for a breath.
        after_vowel: Whether the stretch begins with the vowel of the mora before.
        start_sec: Where the stretch begins.
        end_sec: Where it ends.
        preutterance_sec: Where the vowel begins, from the start.
        overlap_sec: Up to where the mora before may be heard, from the start.
        consonant_sec: Up to where nothing is stretched, from the start.
    """

    place: str
    path: Path
    phones: tuple[str, ...]
    after_vowel: bool
    start_sec: float
    end_sec: float
    preutterance_sec: float
    overlap_sec: float
    consonant_sec: float


class Voicebank:
    """A bank as it lies in a folder: ``oto.ini`` there or in folders below, and recordings.

    Args:
        root: The folder.

    Attributes:
        samples: What sings a mora after a context, by the name of the unit.
        breath: The first breath, where the bank has one.
        morae: What is written for the phones of each mora.
        terms: Names and texts of what the bank says about itself and its use.
        rejects: Lines that cannot be used.

    Raises:
        UserError: no ``oto.ini``, fewer than `MIN_MORAE` morae, or a text that cannot be read.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root).resolve()
        self.rejects = Rejects()
        self.samples: dict[str, Sample] = {}
        self.breath: Sample | None = None
        self.morae: dict[tuple[str, ...], str] = {}
        self._lengths: dict[Path, float | UserError] = {}
        self._contexts: dict[str, list[str]] = {}
        ranks: dict[str, int] = {}
        self._digest = hashlib.sha256()
        for path in self._otos():
            self._digest.update(path.relative_to(self.root).as_posix().encode())
            self._digest.update(read_bytes(path, MAX_BYTES))
            for line in read_oto(path, self.rejects):
                self._take(line, path.parent, ranks)
        self.terms = tuple(self._read_terms())
        if len(self.morae) < MIN_MORAE:
            found = f"{len(self.morae)} Japanese morae that can be used"
            bad = self.rejects.errors
            if bad:
                found += f", {len(bad)} bad lines, the first {bad[0].place}: {bad[0].found}"
            raise UserError(self.root, found, f"a CV or VCV bank of at least {MIN_MORAE}")

    def _otos(self) -> list[Path]:
        if not self.root.is_dir():
            raise UserError(self.root, "no folder", "a UTAU voicebank")
        found = sorted(
            path for path in self.root.rglob("*") if path.name.lower() == OTO and path.is_file()
        )
        inside = [path for path in found if path.resolve().is_relative_to(self.root)]
        if not inside:
            raise UserError(self.root, f"no {OTO}", "a UTAU voicebank")
        if len(inside) > _MAX_FOLDERS:
            raise UserError(self.root, f"{len(inside)} {OTO}", f"at most {_MAX_FOLDERS}")
        return inside

    def _take(self, line: OtoLine, folder: Path, ranks: dict[str, int]) -> None:
        """Keep a line that names a mora or a breath, unless a plainer alias has named it before."""
        read = _mora_of(line.alias, line.place)
        if read is None:
            return
        context, written, phones, rank = read
        try:
            sample = self._sample(line, folder, context, phones)
        except UserError as error:
            self.rejects.errors.append(error)
            return
        if not phones:
            self.breath = self.breath or sample
            return
        name = _unit_name(context, phones)
        if ranks.get(name, rank + 1) <= rank:
            return
        if name not in ranks:
            self._contexts.setdefault(_unit_name("", phones), []).append(name)
        ranks[name] = rank
        self.samples[name] = sample
        self.morae.setdefault(phones, written)

    def _sample(self, line: OtoLine, folder: Path, context: str, phones: tuple[str, ...]) -> Sample:
        place = line.place
        path = self._recording(folder, line.wav, place)
        length = self._length(path, place)
        start, end = line.offset_sec, line.end_sec(length)
        lead = max(0.0, line.preutterance_sec)
        if start < 0 or start >= length:
            found = f"offset {start:.3f} s of a recording of {length:.3f} s"
            raise UserError(place, found, "within the recording", "offset")
        if end > length + _LATE_SEC:
            found = f"end {end:.3f} s of a recording of {length:.3f} s"
            raise UserError(place, found, "within the recording", "cutoff")
        if end < start + lead + _SHORTEST_VOWEL_SEC:
            found = f"end {end:.3f} s, vowel from {start + lead:.3f} s"
            raise UserError(place, found, f"at least {_SHORTEST_VOWEL_SEC} s of it", "cutoff")
        if len(phones) > 1 and line.preutterance_sec <= 0:
            found = f"{line.preutterance_sec:.3f} s for the consonant of {line.alias!r}"
            raise UserError(place, found, "more than 0", "preutterance")
        return Sample(
            place,
            path,
            phones,
            context not in ("", "-", "*"),
            start,
            min(end, length),
            lead,
            line.overlap_sec,
            line.consonant_sec,
        )

    def _recording(self, folder: Path, name: str, place: str) -> Path:
        """A recording below the bank; `UserError` where it lies elsewhere or nowhere."""
        try:
            path = (folder / name).resolve()
            inside = path.is_relative_to(self.root)
            there = inside and path.is_file()
        except (OSError, ValueError) as error:
            raise UserError(place, f"{name!r}: {error}", "a recording's name") from None
        if not inside or re.match(r"[A-Za-z]:|/", name):
            raise UserError(place, f"{name!r} is outside the voicebank", "a file of its folder")
        if not there:
            raise UserError(place, f"no recording {name!r}", "a wav beside oto.ini")
        return path

    def _length(self, path: Path, place: str) -> float:
        """Length (s) of a recording, whose header is read once."""
        if path not in self._lengths:
            try:
                self._lengths[path] = audio_info(path).seconds
                self._digest.update(digest_files(path).encode())
            except UserError as error:
                self._lengths[path] = error
        length = self._lengths[path]
        if isinstance(length, UserError):
            raise UserError(place, f"{length.place} is {length.found}", length.expected, "audio")
        return length

    def unit_of(self, syllable: SungSyllable, before: str | None) -> str:
        """The unit that sings a mora after a phone (None: a rest): of the bank's, the nearest."""
        contexts = [_BEGINNING, ""] if before is None else [before.lower(), "", _BEGINNING, "*"]
        names = [_unit_name(context, syllable.phones) for context in contexts]
        there = self._contexts[syllable.unit]
        return next((name for name in names if name in self.samples), there[0])

    @property
    def syllables(self) -> list[SungSyllable]:
        """The bank's morae, sorted."""
        return [
            SungSyllable(_unit_name("", phones), phones, written)
            for phones, written in sorted(self.morae.items())
        ]

    @property
    def digest(self) -> str:
        """What the bank is, as one word: its ``oto.ini`` and its recordings."""
        return self._digest.hexdigest()

    @cached_property
    def name(self) -> str:
        """As ``character.txt`` has it, else that of the folder."""
        path = self.root / _CHARACTER
        if path.is_file():
            for line in read_legacy_text(path, _MAX_TERMS_BYTES).splitlines():
                key, _, value = line.partition("=")
                if key.strip().lower() == "name" and value.strip():
                    return "".join(c for c in value.strip() if c.isprintable())
        return self.root.name

    def _read_terms(self) -> Iterator[tuple[str, str]]:
        for path in sorted(self.root.iterdir()):
            name = unicodedata.normalize("NFC", path.name)
            known = name.lower() == _CHARACTER or (
                _TERMS.search(name) and path.suffix.lower() in _TERMS_SUFFIXES
            )
            if known and path.is_file() and path.resolve().is_relative_to(self.root):
                yield name, read_legacy_text(path, _MAX_TERMS_BYTES)


def _unit_name(context: str, phones: tuple[str, ...]) -> str:
    return f"{context}:{' '.join(phones)}"


def _mora_of(alias: str, place: str) -> tuple[str, str, tuple[str, ...], int] | None:
    """Context (empty: none), kana or romaji, phones, and how much else an alias names.

    The phones of a breath are (). None where an alias is neither a mora nor a breath.
    """
    try:
        lyric = lyric_of_alias(alias, LANGUAGE, place)
        if lyric == BREATH:
            return "", alias, (), 0
        if not _MORA.fullmatch(lyric):
            return None
        read = LANGUAGES[LANGUAGE].read(lyric, place)
    except UserError:
        return None
    if len(read) != 1 or read[0].phones[-1] not in (*VOWELS, "N"):
        return None
    known = _CONTEXT.match(alias)
    context = known[1].lower() if known else ""
    plain = f"{known[1]} {lyric}" if known else lyric
    return context, lyric, read[0].phones, int(alias != plain)
