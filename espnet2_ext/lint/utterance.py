"""One utterance: its label, score and audio header; and its samples, where they are asked for."""

import hashlib
import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from espnet2_ext.audio.wav import WHOLE_SHARE, audio_info
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_json
from espnet2_ext.lint.audio import check_audio
from espnet2_ext.lint.findings import Finding, Findings
from espnet2_ext.lint.limits import Limits
from espnet2_ext.score.formats.espnet_format import parse_label, parse_score_json
from espnet2_ext.score.formats.opencpop import parse_line
from espnet2_ext.score.lyrics.languages import LANGUAGES
from espnet2_ext.score.music_score import REST_PHONES, MusicScore
from espnet2_ext.score.speaker_tags import without_tags

SEGMENT_TOLERANCE_SEC = 0.01
CHECKS_VERSION = 3
"""Raised when a check of samples changes, so that work files of before are not believed."""


@dataclass(frozen=True, slots=True)
class Item:
    """What is known of an utterance before its files are opened.

    Args:
        utt: Id.
        place: Where its label or transcription stands.
        audio_place: Where its audio is named.
        wav: Path of its audio; None: there is none to check.
        segment: ``recording start end`` of `segments`.
        label: Value of its label.
        score: Path of its score's JSON.
        line: Opencpop line, in place of label and score.
        text: Value of its text, where that must be the label's phones; tags of speakers apart.
        text_place: Where that stands.
        language: ISO 639 code.
    """

    utt: str
    place: str
    audio_place: str = ""
    wav: str | None = None
    segment: str | None = None
    label: str | None = None
    score: str | None = None
    line: str | None = None
    text: str | None = None
    text_place: str = ""
    language: str = "zh"


@dataclass(frozen=True)
class Checks:
    """What is checked in every utterance.

    Args:
        limits: Thresholds.
        phones: The phone set; None: any phone.
        phones_expected: Its name, for messages.
        audio: Whether to read samples.
    """

    limits: Limits
    phones: frozenset[str] | None
    phones_expected: str
    audio: bool


@dataclass
class Checked:
    """The findings of an utterance.

    Args:
        utt: Its id.
        findings: Those of text, score and header.
        audio_findings: Those of the samples; None where they were not read now.
        key: What `audio_findings` depend on; empty where there were no samples to read.
        fs: Rate of its audio (Hz), if that could be read.
        audio_place: Where its audio is named.
        seconds: Duration of the audio read.
    """

    utt: str
    findings: list[Finding]
    audio_findings: list[Finding] | None = None
    key: str = ""
    fs: int | None = None
    audio_place: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Audio:
    """An utterance's stretch of its file, in samples."""

    path: str
    fs: int
    start: int
    end: int

    def read(self) -> np.ndarray:
        """Samples (N, channels)."""
        wav, _ = soundfile.read(
            self.path, start=self.start, stop=self.end, dtype="float32", always_2d=True
        )
        return wav


def read_utterance(item: Item, findings: Findings, checks: Checks) -> MusicScore | None:
    """The score with its performed phones, or None where there is none or it is wrong."""
    if item.line is not None:
        parsed = findings.take("label", parse_line, item.line, item.place)
        return parsed[1] if parsed is not None else None
    if item.label is None or item.score is None:
        return None
    label = findings.take("label", parse_label, item.label, item.place)
    if label is None:
        return None
    seen: set[str] = set()
    for index, (_, _, phone) in enumerate(label):
        if checks.phones is not None and phone not in checks.phones and phone not in seen:
            seen.add(phone)
            found = f"unknown phone {phone!r}"
            findings.add("phone", item.place, found, checks.phones_expected, f"{index + 1}")
    text = None if item.text is None else without_tags(item.text.split())
    if text is not None and text != [phone for _, _, phone in label]:
        found = f"{len(text)} phones"
        if len(text) == len(label):
            found = "other phones"
        findings.add("score", item.text_place, found, f"the {len(label)} of label")
    loaded = findings.take("score", read_json, item.score)
    if loaded is None:
        return None
    arguments = (loaded, item.score, label, item.language)
    return findings.take("score", parse_score_json, *arguments)


def read_header(item: Item, findings: Findings) -> Audio | None:
    """Rate and extent of the utterance's audio, from the header alone; None where it is wrong."""
    place, path = item.audio_place, item.wav
    if not path or path.endswith("|"):
        findings.add("audio_file", place, repr(path), "the path of an audio file")
        return None
    try:
        info = audio_info(path)
    except UserError as error:
        findings.add("audio_file", place, f"{path}: {error.found}", error.expected)
        return None
    if not info.frames:
        findings.add("audio_file", place, f"{path}: no samples", "audio")
        return None
    if item.segment is None:
        return Audio(path, info.fs, 0, info.frames)
    try:
        _, start, end = item.segment.split()
        start_sec, end_sec = float(start), float(end)
    except ValueError:
        findings.add("segment", place, repr(item.segment), "recording start end")
        return None
    if not (0 <= start_sec < end_sec and math.isfinite(end_sec)):
        findings.add("segment", place, f"{start_sec}-{end_sec} s", "0 <= start < end")
        return None
    length_sec = info.seconds
    if end_sec > length_sec + SEGMENT_TOLERANCE_SEC:
        found = f"end {end_sec} s of audio of {length_sec:.3f} s"
        findings.add("segment", place, found, "a segment within the audio")
        return None
    start, end = (round(sec * info.fs) for sec in (start_sec, end_sec))
    return Audio(path, info.fs, start, min(end, info.frames))


def _check_length(
    findings: Findings, place: str, audio: Audio, score: MusicScore, limits: Limits
) -> None:
    length, end = (audio.end - audio.start) / audio.fs, score.duration_sec
    if end > length + limits.max_short_sec:
        found = f"label ends at {end:.3f} s, audio at {length:.3f} s"
        expected = f"at most {limits.max_short_sec} s past the audio"
        findings.add("audio_short", place, found, expected, span=(length, end))
    elif limits.max_long_sec is not None and length > end + limits.max_long_sec:
        found = f"audio goes on to {length:.3f} s, label ends at {end:.3f} s"
        badness = (length - end) / limits.max_long_sec
        expected = f"within {limits.max_long_sec} s"
        findings.add("audio_long", place, found, expected, badness=badness, span=(end, length))


def check(item: Item, known_key: str, checks: Checks) -> Checked:
    """Check an utterance.

    Args:
        item: The utterance.
        known_key: Key of a run before; with the same key its samples are not read again.
        checks: What to check.
    """
    findings = Findings(item.utt)
    score = read_utterance(item, findings, checks)
    done = Checked(item.utt, findings.items)
    if item.wav is None:
        return done
    audio = read_header(item, findings)
    if audio is None:
        return done
    done.fs, done.audio_place = audio.fs, f"{item.audio_place}: {audio.path}"
    if score is not None:
        _check_length(findings, item.place, audio, score, checks.limits)
    if not checks.audio:
        return done
    done.key = _key(audio, score, checks.limits)
    if done.key == known_key:
        return done
    heard = Findings(item.utt)
    place = done.audio_place
    try:
        wav = audio.read()
    except (soundfile.SoundFileError, RuntimeError):
        heard.add("audio_file", place, "not readable as audio to its end", "wav or flac")
    else:
        if len(wav) < WHOLE_SHARE * (audio.end - audio.start):
            heard.add("audio_file", place, "cut off before its end", "a whole file")
        elif len(wav):
            done.seconds = len(wav) / audio.fs
            check_audio(heard, place, wav, audio.fs, score, checks.limits)
        else:
            heard.add("audio_file", place, "no samples", "audio")
    done.audio_findings = heard.items
    return done


def _key(audio: Audio, score: MusicScore | None, limits: Limits) -> str:
    """Digest of everything that the findings of the samples depend on."""
    try:
        stat = os.stat(audio.path)
    except OSError:
        return ""
    # The last change of the file's entry as well: a file put in its place may have its old time.
    file = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    what = (CHECKS_VERSION, limits, audio, file, score)
    return hashlib.blake2b(repr(what).encode(), digest_size=12).hexdigest()


def score_file_findings(path: Path, score: MusicScore) -> list[Finding]:
    """A JSON file gives phones of its own: they may be unknown, or not those of the notes."""
    findings = Findings()
    language = LANGUAGES.get(score.language, LANGUAGES["zh"])
    phones, expected = {*REST_PHONES, *language.phones}, f"a {language.name} phone"
    for index, note in enumerate(score.notes):
        place = f"{path}: note {index}"
        for phone in note.phones:
            if phone not in phones:
                found = f"unknown phone {phone!r}"
                findings.add("phone", place, found, expected, "phones")
        performed = tuple(phone.phone for phone in score.phones if phone.note == index)
        if score.phones and performed != note.phones:
            found = f"performed as {' '.join(performed) or 'nothing'!r}"
            findings.add("score", place, found, " ".join(note.phones), "phones")
    return findings.items
