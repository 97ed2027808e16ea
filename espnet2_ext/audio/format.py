"""Formatting a data directory's audio: one rate, mono, 16-bit wav, one file per utterance."""

import functools
import logging
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from espnet2_ext.audio.wav import read_wav, write_wav
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_table, write_table

logger = logging.getLogger(__name__)

SILENT_PEAK = 1e-3
"""A file that never gets louder (-60 dB) holds no voice."""

_FRACTION_LOGGED = 10


@dataclass(frozen=True)
class Cut:
    """One utterance's audio: a file, or a stretch of one.

    Args:
        utt: Utterance id.
        source: Audio file.
        target: Where the formatted wav goes.
        start_sec: Start in the file.
        end_sec: End in the file; None for all of it.
        place: Line that names it, for error messages.
    """

    utt: str
    source: str
    target: Path
    start_sec: float
    end_sec: float | None
    place: str


def read_cuts(in_dir: Path, out_dir: Path) -> list[Cut]:
    """List the utterances of a data directory, `segments` honoured, sorted by id.

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
            if not 0 <= start < end:
                raise UserError(place, f"{start}-{end} s", "0 <= start < end")
            rows.append((utt, recording, start, end))
    if not rows:
        raise UserError(in_dir, "no utterances", "at least one")
    table = "segments" if segments.exists() else "wav.scp"
    return [
        Cut(utt, recordings[rec], out_dir / "wav" / f"{utt}.wav", start, end,
            f"{in_dir / table}: {utt}")
        for utt, rec, start, end in sorted(rows)
    ]  # fmt: skip


def format_cut(cut: Cut, fs: int, newer_than: float) -> bool:
    """Write one utterance's wav unless it is there already.

    Args:
        cut: What to write.
        fs: Rate of the output (Hz).
        newer_than: Outputs older than this (file time) are written again.

    Returns:
        Whether it was written.

    Raises:
        UserError: naming the utterance whose audio cannot be used.
    """
    source = Path(cut.source)
    if not source.is_file():
        raise UserError(cut.place, f"no such file {cut.source}", "an audio file")
    newer_than = max(newer_than, source.stat().st_mtime)
    if cut.target.exists() and cut.target.stat().st_mtime >= newer_than:
        try:
            if soundfile.info(cut.target).samplerate == fs:
                return False
        except soundfile.SoundFileError:
            pass  # not a wav: written again
    wav, rate = read_wav(source)
    if cut.end_sec is not None:
        if cut.end_sec * rate > len(wav) + rate // 100:
            found = f"end {cut.end_sec} s of audio of {len(wav) / rate:.3f} s"
            raise UserError(cut.place, found, "a segment within the audio")
        wav = wav[round(cut.start_sec * rate) : round(cut.end_sec * rate)]
    if np.abs(wav).max(initial=0.0) < SILENT_PEAK:
        raise UserError(cut.place, f"silence in {cut.source}", "a voice")
    if rate != fs:
        import soxr

        wav = soxr.resample(wav, rate, fs, quality="HQ")
    with soundfile.SoundFile(source) as file:
        comment = file.comment  # where synthetic audio says that it is
    write_wav(cut.target, wav, fs, comment)
    return True


def format_data_dir(in_dir: str | Path, out_dir: str | Path, fs: int, nj: int = 1) -> int:
    """Write a data directory with formatted audio; run again, it does only what is missing.

    Args:
        in_dir: Data directory with wav.scp and maybe segments.
        out_dir: Directory to write: wav.scp, wav/UTT.wav and copies of the other files.
        fs: Rate (Hz).
        nj: Processes.

    Returns:
        The number of files that were written now.

    Raises:
        UserError: naming the first utterance that cannot be used; wav.scp is then not written.
    """
    in_dir, out_dir = Path(in_dir), Path(out_dir)
    if in_dir.resolve() == out_dir.resolve():
        raise UserError(out_dir, "the input directory", "another directory", "out_dir")
    cuts = read_cuts(in_dir, out_dir)
    segments = in_dir / "segments"
    newer_than = segments.stat().st_mtime if segments.exists() else 0.0
    work = functools.partial(format_cut, fs=fs, newer_than=newer_than)
    written = 0
    with ProcessPoolExecutor(max(1, min(nj, len(cuts)))) as pool:
        results = pool.map(work, cuts, chunksize=8) if nj > 1 else map(work, cuts)
        for number, fresh in enumerate(results, 1):
            written += fresh
            if number % -(-len(cuts) // _FRACTION_LOGGED) == 0:
                logger.info("%s: %d of %d utterances", out_dir, number, len(cuts))
    for path in in_dir.iterdir():
        if path.is_file() and path.name not in ("wav.scp", "segments"):
            shutil.copyfile(path, out_dir / path.name)
    write_table(out_dir / "wav.scp", {cut.utt: cut.target for cut in cuts})
    return written
