"""Formatting a data directory's audio: one rate, mono, 16-bit wav, one file per utterance."""

import functools
import hashlib
import logging
import math
import shutil
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

from espnet2_ext.audio.channels import mix
from espnet2_ext.audio.wav import audio_info, read_channels, write_wav
from espnet2_ext.digest import digest_files
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_table, remove_parts, remove_stale_tables, write_table
from espnet2_ext.workers import worker_pool

logger = logging.getLogger(__name__)

SILENT_PEAK = 1e-3
"""A file that never gets louder (-60 dB) holds no voice."""

_FRACTION_LOGGED = 10


_MADE_BY = "espnet2-ext format_wav 2"
"""Of this module, in each file's header; another number has everything written again."""


@dataclass(frozen=True)
class Cut:
    """One utterance's audio: a file, or a stretch of one.

    Args:
        utt: Utterance id.
        target: Where the formatted wav goes.
        start_sec: Start in the file.
        end_sec: End in the file; None for all of it.
        place: Line that names it, for error messages.
    """

    utt: str
    target: Path
    start_sec: float
    end_sec: float | None
    place: str


@dataclass(frozen=True)
class Recording:
    """An audio file and the utterances in it."""

    source: str
    cuts: list[Cut]


@dataclass
class Formatted:
    """What was written, and what was done to it: utterances of each sort.

    Args:
        fs: Their rate (Hz).
        rates: How many came from each rate (Hz).
        mixed: Of more than one channel.
        differing: Of channels that differ.
        unrelated: Ids of those whose channels hold different sounds.
        loud: Ids of those with samples above full scale, which were made softer.
    """

    fs: int
    rates: Counter[int] = field(default_factory=Counter)
    mixed: int = 0
    differing: int = 0
    unrelated: list[str] = field(default_factory=list)
    loud: list[str] = field(default_factory=list)

    @property
    def number(self) -> int:
        return self.rates.total()

    def add(self, other: "Formatted") -> None:
        """Count another's."""
        self.rates += other.rates
        self.mixed += other.mixed
        self.differing += other.differing
        self.unrelated += other.unrelated
        self.loud += other.loud

    def __str__(self) -> str:
        """One line."""
        parts = [f"{self.number} utterances written at {self.fs} Hz"]
        for rate, number in sorted(self.rates.items()):
            if rate < self.fs:
                parts.append(f"{number} from {rate} Hz, with nothing above {rate / 2000:g} kHz")
            elif rate > self.fs:
                parts.append(f"{number} from {rate} Hz")
        if self.mixed:
            differing = f"{self.differing} of which differ" if self.differing else "all alike"
            parts.append(f"{self.mixed} are the mean of channels, {differing}")
        if self.unrelated:
            parts.append(
                f"{len(self.unrelated)} of channels that hold different sounds "
                f"({min(self.unrelated)} first)"
            )
        if self.loud:
            parts.append(
                f"{len(self.loud)} made softer, with samples above full scale "
                f"({min(self.loud)} first)"
            )
        return "; ".join(parts)

    @property
    def doubtful(self) -> bool:
        """Whether somebody should look at it."""
        up = any(rate < self.fs for rate in self.rates)
        return bool(up or self.differing or self.unrelated or self.loud)


def read_recordings(in_dir: Path, out_dir: Path) -> list[Recording]:
    """List the audio files of a data directory, each with its utterances by id.

    Raises:
        UserError: a pipe where a file should be, an unknown recording, impossible times.
    """
    recordings = read_table(in_dir / "wav.scp")
    for recording, source in recordings.items():
        if not source or source.endswith("|"):
            place = f"{in_dir / 'wav.scp'}: {recording}"
            raise UserError(place, f"{source!r}", "the path of an audio file")
    segments = in_dir / "segments"
    if not segments.exists():
        rows = [(utt, utt, 0.0, None) for utt in recordings]
    else:
        rows = []
        for utt, line in read_table(segments).items():
            place, fields = f"{segments}: {utt}", line.split()
            try:
                recording, start, end = fields[0], float(fields[1]), float(fields[2])
            except (IndexError, ValueError):
                raise UserError(place, f"{line!r}", "recording start end") from None
            if recording not in recordings:
                raise UserError(place, f"recording {recording!r}", "one of wav.scp")
            if not (0 <= start < end and math.isfinite(end)):
                raise UserError(place, f"{start}-{end} s", "0 <= start < end")
            rows.append((utt, recording, start, end))
    if not rows:
        raise UserError(in_dir, "no utterances", "at least one")
    table = in_dir / ("segments" if segments.exists() else "wav.scp")
    files: dict[str, list[Cut]] = {}
    for utt, recording, start, end in sorted(rows):
        target = out_dir / "wav" / f"{utt}.wav"
        cut = Cut(utt, target, start, end, f"{table}: {utt}")
        files.setdefault(recordings[recording], []).append(cut)
    return [Recording(source, cuts) for source, cuts in files.items()]


def format_recording(recording: Recording, fs: int) -> Formatted:
    """Write the wavs of a recording's utterances that are not there already, from the same audio.

    The header of each wav holds a hash of the recording's content and of the stretch, so that a
    wav is known by what it was made from and not by its time.

    Args:
        recording: What to cut; each stretch is read by itself.
        fs: Rate of the output (Hz).

    Returns:
        What was written now.

    Raises:
        UserError: naming the utterance whose audio cannot be used.
    """
    source, first = Path(recording.source), recording.cuts[0]
    try:
        audio_info(source)
    except UserError as error:
        raise UserError(first.place, f"{error.found} ({source})", error.expected) from None
    content = digest_files(source)
    done = Formatted(fs)
    for cut in recording.cuts:
        made_from = f"{content} {cut.start_sec} {cut.end_sec} {fs}"
        digest = hashlib.sha256(made_from.encode()).hexdigest()[:16]
        made_by = f"{_MADE_BY}, from {digest}"
        if not _is_made_by(cut.target, made_by):
            _format_cut(cut, source, made_by, done)
    return done


def _is_made_by(path: Path, made_by: str) -> bool:
    try:
        with soundfile.SoundFile(path) as file:
            # libsndfile adds its own name
            return file.software.startswith(made_by)
    except (soundfile.SoundFileError, OSError):
        return False  # not there, or not a wav: written again


def _format_cut(cut: Cut, source: Path, made_by: str, done: Formatted) -> None:
    """Write one wav, and count it."""
    try:
        samples, rate = read_channels(source, cut.start_sec, cut.end_sec)
        wav, channels = mix(samples, rate, source)
    except UserError as error:
        raise UserError(cut.place, f"{error.found} in {source}", error.expected) from None
    peak = float(np.abs(wav).max(initial=0.0))
    if peak < SILENT_PEAK:
        raise UserError(cut.place, f"silence in {source}", "a voice")
    if peak > 1.0:  # floating point has no ceiling, 16 bits have one
        wav = wav / np.float32(peak)
        done.loud.append(cut.utt)
    if rate != done.fs:
        import soxr

        wav = soxr.resample(wav, rate, done.fs, quality="HQ")
    with soundfile.SoundFile(source) as file:
        comment = file.comment  # where synthetic audio says that it is
    write_wav(cut.target, wav, done.fs, comment, made_by)
    done.rates[rate] += 1
    done.mixed += channels.number > 1
    done.differing += channels.differ
    if channels.unrelated:
        done.unrelated.append(cut.utt)


def format_data_dir(in_dir: str | Path, out_dir: str | Path, fs: int, nj: int = 1) -> int:
    """Write a data directory with formatted audio; run again, it does only what is missing.

    Args:
        in_dir: Data directory with wav.scp and maybe segments.
        out_dir: Directory to write: wav.scp, wav/UTT.wav and copies of the other files.
        fs: Rate (Hz).
        nj: Processes; recordings are dealt out to them.

    Returns:
        The number of files that were written now.

    Raises:
        UserError: naming the first utterance that cannot be used; wav.scp is then not written.
    """
    in_dir, out_dir = Path(in_dir), Path(out_dir)
    if in_dir.resolve() == out_dir.resolve():
        raise UserError(out_dir, "the input directory", "another directory", "out_dir")
    recordings = read_recordings(in_dir, out_dir)
    remove_parts(out_dir / "wav")
    work = functools.partial(format_recording, fs=fs)
    nj = max(1, min(nj, len(recordings)))
    done = Formatted(fs)
    with worker_pool(nj) as pool:
        at_once = max(1, min(8, len(recordings) // (4 * nj)))
        results = pool.map(work, recordings, chunksize=at_once) if nj > 1 else map(work, recordings)
        for number, formatted in enumerate(results, 1):
            done.add(formatted)
            if number % -(-len(recordings) // _FRACTION_LOGGED) == 0:
                logger.info("%s: %d of %d audio files", out_dir, number, len(recordings))
    if done.number:
        level = logging.WARNING if done.doubtful else logging.INFO
        logger.log(level, "%s: %s", out_dir, done)
    tables = [path for path in in_dir.iterdir() if path.is_file() and path.name[0] != "."]
    tables = [path for path in tables if path.name not in ("wav.scp", "segments")]
    for path in tables:
        shutil.copyfile(path, out_dir / path.name)
    remove_stale_tables(out_dir, ["wav.scp", *(path.name for path in tables)])
    cuts = sorted((cut.utt, cut.target) for recording in recordings for cut in recording.cuts)
    write_table(out_dir / "wav.scp", cuts)
    return done.number
