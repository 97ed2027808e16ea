"""Formatting a data directory's audio: one rate, mono, 16-bit wav, one file per utterance."""

import functools
import hashlib
import logging
import math
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from espnet2_ext.audio.wav import mix, read_channels, write_wav
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


def format_recording(recording: Recording, fs: int) -> tuple[int, int]:
    """Write the wavs of a recording's utterances that are not there already, from the same audio.

    The header of each wav holds a hash of the recording's content and of the stretch, so that a
    wav is known by what it was made from and not by its time.

    Args:
        recording: What to cut; each stretch is read by itself.
        fs: Rate of the output (Hz).

    Returns:
        How many were written, and how many of these were mixed from channels that differ.

    Raises:
        UserError: naming the utterance whose audio cannot be used.
    """
    source, first = Path(recording.source), recording.cuts[0]
    if not source.is_file():
        raise UserError(first.place, f"no such file {source}", "an audio file")
    content = digest_files(source)
    n_written = n_mixed = 0
    for cut in recording.cuts:
        made_from = f"{content} {cut.start_sec} {cut.end_sec} {fs}"
        digest = hashlib.sha256(made_from.encode()).hexdigest()[:16]
        made_by = f"{_MADE_BY}, from {digest}"
        if not _is_made_by(cut.target, made_by):
            n_mixed += _format_cut(cut, source, fs, made_by)
            n_written += 1
    return n_written, n_mixed


def _is_made_by(path: Path, made_by: str) -> bool:
    try:
        with soundfile.SoundFile(path) as file:
            # libsndfile adds its own name
            return file.software.startswith(made_by)
    except (soundfile.SoundFileError, OSError):
        return False  # not there, or not a wav: written again


def _format_cut(cut: Cut, source: Path, fs: int, made_by: str) -> bool:
    """Write one wav; returns whether it was mixed from channels that differ."""
    try:
        channels, rate = read_channels(source, cut.start_sec, cut.end_sec)
    except UserError as error:
        raise UserError(cut.place, f"{error.found} in {source}", error.expected) from None
    wav = mix(channels)
    if np.abs(wav).max(initial=0.0) < SILENT_PEAK:
        raise UserError(cut.place, f"silence in {source}", "a voice")
    if rate != fs:
        import soxr

        wav = soxr.resample(wav, rate, fs, quality="HQ")
    with soundfile.SoundFile(source) as file:
        comment = file.comment  # where synthetic audio says that it is
    write_wav(cut.target, wav, fs, comment, made_by)
    return bool((channels != channels[:, :1]).any())


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
    n_written = n_mixed = 0
    with worker_pool(nj) as pool:
        at_once = max(1, min(8, len(recordings) // (4 * nj)))
        results = pool.map(work, recordings, chunksize=at_once) if nj > 1 else map(work, recordings)
        for number, (written, mixed) in enumerate(results, 1):
            n_written, n_mixed = n_written + written, n_mixed + mixed
            if number % -(-len(recordings) // _FRACTION_LOGGED) == 0:
                logger.info("%s: %d of %d audio files", out_dir, number, len(recordings))
    if n_mixed:
        logger.warning("%s: %d utterances are the mean of channels that differ", out_dir, n_mixed)
    tables = [path for path in in_dir.iterdir() if path.is_file() and path.name[0] != "."]
    tables = [path for path in tables if path.name not in ("wav.scp", "segments")]
    for path in tables:
        shutil.copyfile(path, out_dir / path.name)
    remove_stale_tables(out_dir, ["wav.scp", *(path.name for path in tables)])
    cuts = sorted((cut.utt, cut.target) for recording in recordings for cut in recording.cuts)
    write_table(out_dir / "wav.scp", cuts)
    return n_written
