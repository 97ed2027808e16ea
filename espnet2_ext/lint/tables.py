"""What a data directory or a transcription file says: its tables checked, its utterances listed."""

from collections.abc import Iterator
from pathlib import Path

from espnet2_ext.errors import UserError
from espnet2_ext.files import TABLES, read_table, read_text, split_line
from espnet2_ext.ids import check_id
from espnet2_ext.lint.findings import Findings
from espnet2_ext.lint.utterance import Item
from espnet2_ext.score.formats.phone_set import PHONES_FILE, phones_of


class Source:
    """Where utterances come from.

    Args:
        path: Data directory, or file of Opencpop lines.

    Attributes:
        findings: What the tables' own checks found; filled by the constructor.
        phones: The phone set; None: readers check it, or it cannot be read.
        phones_expected: Its name, for messages.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.findings = Findings()
        self.phones: frozenset[str] | None = None
        self.phones_expected = "an Opencpop phone"

    def __len__(self) -> int:
        raise NotImplementedError

    def items(self) -> Iterator[Item]:
        """The utterances that can be looked at, in order of id."""
        raise NotImplementedError


class Lines(Source):
    """An Opencpop file, and the audio in ``wavs`` beside it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._lines: dict[str, tuple[int, str]] = {}
        text = self.findings.take("table", read_text, path)
        for number, line in enumerate((text or "").split("\n"), 1):
            if not line.strip():
                continue
            utt = line.partition("|")[0].strip()
            self.findings.take("id", check_id, utt, f"{path}:{number}")
            if utt in self._lines:
                expected = f"each id once, see {path}:{self._lines[utt][0]}"
                place = f"{path}:{number}"
                self.findings.add("id", place, f"duplicate id {utt!r}", expected, "id", utt)
            self._lines.setdefault(utt, (number, line))
        if text is not None and not self._lines:
            self.findings.add("table", path, "no utterances", "Opencpop lines")

    def __len__(self) -> int:
        return len(self._lines)

    def items(self) -> Iterator[Item]:
        wavs = self.path.parent / "wavs"
        has_audio = wavs.is_dir()
        for utt, (number, line) in self._lines.items():
            place = f"{self.path}:{number}"
            wav = str(wavs / f"{utt}.wav") if has_audio and utt and "/" not in utt else None
            yield Item(utt, place, place, wav, line=line)


class DataDirTables(Source):
    """A Kaldi data directory of singing (label, score.scp) or speech."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        findings = self.findings
        for name in ("wav.scp", "utt2spk"):
            if not (path / name).is_file():
                expected = "a data directory with wav.scp and utt2spk"
                findings.add("table", path, f"no {name}", expected)
        self.tables: dict[str, dict[str, str]] = {}
        for name in TABLES:
            if (path / name).is_file():
                table = findings.take("table", self._read, path / name)
                if table is not None:
                    self.tables[name] = table
        self._utts = self.tables.get("segments", self.tables.get("wav.scp", {}))
        if "wav.scp" not in self.tables:
            return
        if not self._utts:
            findings.add("table", path / "wav.scp", "no utterances", "at least one")
        for name in self.tables.keys() - {"wav.scp", "segments"}:
            self._check_ids(name)
        for speaker in sorted(set(self.tables.get("utt2spk", {}).values()) - {""}):
            findings.take("id", check_id, speaker, path / "utt2spk", "speaker")
        for utt, value in self.tables.get("segments", {}).items():
            recording = split_line(value)[0]
            if recording not in self.tables["wav.scp"]:
                place, found = f"{path / 'segments'}: {utt}", f"recording {recording!r}"
                findings.add("segment", place, found, "one of wav.scp", utt=utt)
        if ("label" in self.tables) != ("score.scp" in self.tables):
            missing = "score.scp" if "label" in self.tables else "label"
            findings.add("table", path, f"no {missing}", "label and score.scp, or neither")
        if (path / "spk2utt").is_file() and "utt2spk" in self.tables:
            self._check_spk2utt()
        phones = findings.take("table", phones_of, path)
        self.phones = frozenset(phones) if phones is not None else None
        if (path / PHONES_FILE).exists():
            self.phones_expected = f"one of {PHONES_FILE}"

    def _read(self, path: Path) -> dict[str, str]:
        """As `files.read_table`, but a duplicate id is one finding among others."""
        table: dict[str, str] = {}
        previous = ""
        is_sorted = True
        for number, line in enumerate(read_text(path).split("\n"), 1):
            if not line.strip():
                continue
            key, value = split_line(line)
            place = f"{path}:{number}"
            self.findings.take("id", check_id, key, place)
            if key in table:
                self.findings.add("id", place, f"duplicate id {key!r}", "each id once", utt=key)
            elif key < previous and is_sorted:
                self.findings.add("id", place, f"{key!r} after {previous!r}", "ids in order")
                is_sorted = False
            if not value:
                self.findings.add("id", place, f"{key!r} without a value", "a value", utt=key)
            table.setdefault(key, value)
            previous = key
        return table

    def _check_ids(self, name: str) -> None:
        table, place = self.tables[name], self.path / name
        for utt in sorted(self._utts.keys() - table.keys()):
            self.findings.add("id", place, f"no line for {utt!r}", "each utterance", utt=utt)
        for utt in sorted(table.keys() - self._utts.keys()):
            expected = "an id of wav.scp or segments"
            self.findings.add("id", place, f"{utt!r} has no audio", expected, utt=utt)

    def _check_spk2utt(self) -> None:
        place = self.path / "spk2utt"
        spk2utt = self.findings.take("table", read_table, place)
        if spk2utt is None:
            return
        pairs = {(utt, speaker) for speaker, line in spk2utt.items() for utt in line.split()}
        for utt, speaker in sorted(pairs ^ set(self.tables["utt2spk"].items())):
            found = f"{utt!r} of {speaker!r} differs from utt2spk"
            self.findings.add("table", place, found, "the same pairs")

    def __len__(self) -> int:
        return len(self._utts)

    def items(self) -> Iterator[Item]:
        tables, path = self.tables, self.path
        wavs, labels, texts = (tables.get(name, {}) for name in ("wav.scp", "label", "text"))
        scores, languages = tables.get("score.scp", {}), tables.get("utt2lang", {})
        in_segments = "segments" in tables
        for utt, value in self._utts.items():
            recording = split_line(value)[0] if in_segments else utt
            audio_place = f"{path / 'wav.scp'}: {utt}"
            if in_segments:
                audio_place = f"{path / 'segments'}: {utt}"
            yield Item(
                utt, f"{path / 'label'}: {utt}", audio_place, wavs.get(recording),
                value if in_segments else None, labels.get(utt), scores.get(utt), None,
                texts.get(utt), f"{path / 'text'}: {utt}", languages.get(utt, "zh"),
            )  # fmt: skip


def open_source(path: Path) -> Source:
    """The source at a path.

    Raises:
        UserError: it is none: a score file, or nothing.
    """
    if path.is_dir():
        lines = path / "segments" / "transcriptions.txt"
        return Lines(lines) if lines.is_file() else DataDirTables(path)
    if path.suffix.lower() == ".txt" and path.is_file():
        return Lines(path)
    raise UserError(path, "no data directory", "a data directory or Opencpop lines")
