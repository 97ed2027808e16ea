"""Checks of scores and data directories that run before any training: every finding, one by one."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np

from espnet2_ext.audio.format import SILENT_PEAK, read_cuts
from espnet2_ext.audio.wav import read_wav
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json, read_table, read_text
from espnet2_ext.score.espnet_format import parse_label, parse_score_json
from espnet2_ext.score.music_score import MusicScore
from espnet2_ext.score.opencpop import parse_line
from espnet2_ext.score.phone_set import phones_of
from espnet2_ext.score.phones import PHONES
from espnet2_ext.score.read import SUFFIXES, read_score

MAX_SHORT_SEC = 0.1  # audio may end this much before its label: it is padded
MAX_LONG_SEC = 1.0  # and go on for this much after it: the score is extended by a rest
_T = TypeVar("_T")


class _Findings(list[UserError]):
    """What was found; `take` runs a reader and keeps its error."""

    def take(self, read: Callable[..., _T], *args: object) -> _T | None:
        try:
            return read(*args)
        except UserError as error:
            self.append(error)
            return None

    def add(self, place: object, found: str, expected: str = "", field: str = "") -> None:
        self.append(UserError(place, found, expected, field))


def lint(path: str | Path, fs: int | None = None) -> list[UserError]:
    """Check a score file, a data directory, or a corpus in Opencpop's layout.

    Args:
        path: File or directory.
        fs: Rate that audio should have (Hz); that of the first file by default.

    Returns:
        The findings, empty when all is well.
    """
    path = Path(path)
    if path.is_dir():
        if (path / "segments" / "transcriptions.txt").is_file():
            return _lint_lines(path / "segments" / "transcriptions.txt", fs)
        return lint_data_dir(path, fs)
    findings = _Findings()
    if ".txt#" not in str(path) and not path.is_file():
        expected = f"a data directory or a score ({', '.join(SUFFIXES)})"
        findings.add(path, "no such file", expected)
    elif path.suffix.lower() == ".txt":
        return _lint_lines(path, fs)
    else:
        score = findings.take(read_score, path)
        if score is not None:
            _lint_phones(findings, path, score)
    return findings


def _lint_phones(findings: _Findings, path: Path, score: MusicScore) -> None:
    """A JSON file gives phones of its own: they may be unknown, or not those of the notes."""
    for index, note in enumerate(score.notes):
        place = f"{path}: note {index}"
        for phone in note.phones:
            if phone not in PHONES:
                findings.add(place, f"unknown phone {phone!r}", "an Opencpop phone", "phones")
        performed = tuple(phone.phone for phone in score.phones if phone.note == index)
        if score.phones and performed != note.phones:
            found = f"performed as {' '.join(performed) or 'nothing'!r}"
            findings.add(place, found, " ".join(note.phones), "phones")


def _lint_lines(path: Path, fs: int | None) -> list[UserError]:
    """An Opencpop file, and the audio in ``wavs`` beside it."""
    findings = _Findings()
    text = findings.take(read_text, path)
    if text is None:
        return findings
    seen: dict[str, str] = {}
    ends: dict[str, float] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        utt = line.partition("|")[0].strip()
        if utt in seen:
            findings.add(place, f"duplicate id {utt!r}", f"each id once, see {seen[utt]}", "id")
        seen.setdefault(utt, place)
        parsed = findings.take(parse_line, line, place)
        if parsed is not None:
            ends[utt] = parsed[1].duration_sec
    if not seen:
        findings.add(path, "no utterances", "Opencpop lines")
    wavs = path.parent / "wavs"
    if wavs.is_dir():
        files = {utt: str(wavs / f"{utt}.wav") for utt in seen if utt and "/" not in utt}
        lengths = _lint_wavs(findings, {u: (seen[u], f) for u, f in files.items()}, fs)
        _lint_ends(findings, ends, lengths, seen, MAX_LONG_SEC)
    return findings


def _lint_wavs(
    findings: _Findings, wavs: dict[str, tuple[str, str]], fs: int | None
) -> dict[str, float]:
    """Check each (place, file); lengths (s) of those that could be read."""
    lengths: dict[str, float] = {}
    for utt, (place, file) in wavs.items():
        if not file or file.endswith("|"):
            findings.add(place, repr(file), "the path of an audio file")
            continue
        try:
            wav, rate = read_wav(file)
        except UserError as error:
            inside = f"{error.field}: {error.found}" if error.field else error.found
            findings.add(place, f"{file}: {inside}", error.expected)
            continue
        fs = fs or rate
        if rate != fs:
            findings.add(place, f"{file}: {rate} Hz", f"{fs} Hz", "sampling rate")
        if np.abs(wav).max() < SILENT_PEAK:
            findings.add(place, f"{file}: silence", "a voice")
        lengths[utt] = len(wav) / rate
    return lengths


def _lint_ends(
    findings: _Findings,
    ends: dict[str, float],
    lengths: dict[str, float],
    places: dict[str, str],
    max_long_sec: float | None,
) -> None:
    for utt, end in ends.items():
        length = lengths.get(utt)
        if length is None:
            continue
        if end > length + MAX_SHORT_SEC:
            found = f"label ends at {end:.3f} s, audio at {length:.3f} s"
            findings.add(places[utt], found, f"at most {MAX_SHORT_SEC} s past the audio")
        elif max_long_sec is not None and length > end + max_long_sec:
            found = f"audio goes on to {length:.3f} s, label ends at {end:.3f} s"
            findings.add(places[utt], found, f"within {max_long_sec} s")


def lint_data_dir(
    path: str | Path, fs: int | None = None, max_long_sec: float | None = MAX_LONG_SEC
) -> list[UserError]:
    """Check a Kaldi data directory of singing (label, score.scp) or speech.

    Args:
        path: The directory.
        fs: Rate that audio should have (Hz); that of the first file by default.
        max_long_sec: How much longer than its label audio may be (s); None: any.
    """
    path = Path(path)
    findings = _Findings()
    for name in ("wav.scp", "utt2spk"):
        if not (path / name).is_file():
            findings.add(path, f"no {name}", "a data directory with wav.scp and utt2spk")
    tables = {}
    for name in ("wav.scp", "segments", "utt2spk", "text", "utt2lang", "label", "score.scp"):
        if (path / name).is_file():
            table = findings.take(_read_table, path / name, findings)
            if table is not None:
                tables[name] = table
    if "wav.scp" not in tables:
        return findings
    utts = tables.get("segments", tables["wav.scp"])
    if not utts:
        findings.add(path / "wav.scp", "no utterances", "at least one")
    for name in tables.keys() - {"wav.scp", "segments"}:
        _lint_ids(findings, path / name, tables[name], utts)
    if ("label" in tables) != ("score.scp" in tables):
        missing = "score.scp" if "label" in tables else "label"
        findings.add(path, f"no {missing}", "label and score.scp, or neither")
    if (path / "spk2utt").is_file() and "utt2spk" in tables:
        _lint_spk2utt(findings, path / "spk2utt", tables["utt2spk"])
    lengths = _lint_audio(findings, path, tables, fs)
    scores = dict(_scores(findings, path, tables))
    ends = {utt: score.duration_sec for utt, score in scores.items()}
    places = {utt: f"{path / 'label'}: {utt}" for utt in ends}
    _lint_ends(findings, ends, lengths, places, max_long_sec)
    return findings


def _read_table(path: Path, findings: _Findings) -> dict[str, str]:
    """As `files.read_table`, but a duplicate id is one finding among others."""
    table: dict[str, str] = {}
    previous = ""
    unsorted = False
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        key, _, value = line.strip().partition(" ")
        if key in table:
            findings.add(f"{path}:{number}", f"duplicate id {key!r}", "each id once")
        elif key < previous and not unsorted:
            findings.add(f"{path}:{number}", f"{key!r} after {previous!r}", "ids in order")
            unsorted = True
        if not value.strip():
            findings.add(f"{path}:{number}", f"{key!r} without a value", "a value")
        table.setdefault(key, value.strip())
        previous = key
    return table


def _lint_ids(findings: _Findings, path: Path, table: dict[str, str], utts: dict[str, str]) -> None:
    for utt in sorted(utts.keys() - table.keys()):
        findings.add(path, f"no line for {utt!r}", "each utterance")
    for utt in sorted(table.keys() - utts.keys()):
        findings.add(path, f"{utt!r} has no audio", "an id of wav.scp or segments")


def _lint_spk2utt(findings: _Findings, path: Path, utt2spk: dict[str, str]) -> None:
    spk2utt = findings.take(read_table, path)
    if spk2utt is None:
        return
    pairs = {(utt, speaker) for speaker, line in spk2utt.items() for utt in line.split()}
    for utt, speaker in sorted(pairs ^ set(utt2spk.items())):
        findings.add(path, f"{utt!r} of {speaker!r} differs from utt2spk", "the same pairs")


def _lint_audio(
    findings: _Findings, path: Path, tables: dict[str, dict[str, str]], fs: int | None
) -> dict[str, float]:
    """Check the audio; lengths (s) of the utterances."""
    named = {key: (f"{path / 'wav.scp'}: {key}", file) for key, file in tables["wav.scp"].items()}
    lengths = _lint_wavs(findings, named, fs)
    if "segments" not in tables:
        return lengths
    within = {}
    for cut in findings.take(read_cuts, path, path) or []:
        recording = tables["segments"].get(cut.utt, "").partition(" ")[0]
        if recording in lengths and cut.end_sec > lengths[recording] + 0.01:
            found = f"end {cut.end_sec} s of audio of {lengths[recording]:.3f} s"
            findings.add(cut.place, found, "a segment within the audio")
        within[cut.utt] = cut.end_sec - cut.start_sec
    return within


def _scores(
    findings: _Findings, path: Path, tables: dict[str, dict[str, str]]
) -> Iterator[tuple[str, MusicScore]]:
    """The scores that could be read; phones are those of the directory's set."""
    phones = findings.take(phones_of, path) or ()
    wanted = "one of phones.txt" if (path / "phones.txt").exists() else "an Opencpop phone"
    for utt, score_path in tables.get("score.scp", {}).items():
        if "label" not in tables or utt not in tables["label"]:
            continue
        place = f"{path / 'label'}: {utt}"
        label = findings.take(parse_label, tables["label"][utt], place)
        if label is None:
            continue
        for index, (_, _, phone) in enumerate(label):
            if phones and phone not in phones:
                findings.add(place, f"unknown phone {phone!r}", wanted, f"{index + 1}")
        text = tables.get("text", {}).get(utt)
        if text is not None and text.split() != [phone for _, _, phone in label]:
            found = f"{len(text.split())} phones"
            findings.add(f"{path / 'text'}: {utt}", found, f"the {len(label)} of label")
        loaded = findings.take(read_json, score_path)
        if loaded is not None:
            score = findings.take(parse_score_json, loaded, str(score_path), label)
            if score is not None:
                yield utt, score
