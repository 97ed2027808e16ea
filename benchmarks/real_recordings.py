"""A folder of real recordings with labels, as benchmarks/real_singing.py reads it.

Every wav or flac below the folder is a recording; the first folder above it names the singer. What
is known of it lies beside: data directories in ``labelled/`` (their tables may name files by where
they were, as in ``../elsewhere/singer/song.wav``), and F0 made by hand in ``STEM_f0.csv`` with a
time (s) and F0 (Hz, 0 where unvoiced) in each line, which is how vocadito has it.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from espnet2_ext.audio.wav import audio_info, read_wav
from espnet2_ext.errors import UserError
from espnet2_ext.files import read_table, read_text, write_table
from espnet2_ext.lint import Finding, lint
from espnet2_ext.score.formats.espnet_format import read_scores
from espnet2_ext.score.music_score import MusicScore

SUFFIXES = (".wav", ".flac")
LABELLED = "labelled"


@dataclass(frozen=True)
class Recording:
    """One recording.

    Args:
        name: Its file's name without the suffix.
        singer: Who sings.
        path: Its file.
        fs: The file's rate (Hz).
        seconds: Its length.
        score: Notes and phones of its label, if there is one.
        findings: What `lint` says of it and of its label.
        times: Of the F0 made by hand (s) (T,); empty where there is none.
        f0: That F0 (T,) in Hz, 0 where unvoiced.
    """

    name: str
    singer: str
    path: Path
    fs: int
    seconds: float
    score: MusicScore | None
    findings: tuple[Finding, ...]
    times: np.ndarray
    f0: np.ndarray

    def at(self, fs: int, samples_per_frame: int) -> np.ndarray:
        """Samples (N,) float32 at a rate, cut to whole frames."""
        wav, rate = read_wav(self.path)
        wav = soxr.resample(wav, rate, fs)
        return wav[: len(wav) // samples_per_frame * samples_per_frame].astype(np.float32)


def read_recordings(folder: Path, work: Path) -> list[Recording]:
    """Every recording of a folder, with its label and what lint finds.

    Args:
        folder: As this module's text describes it.
        work: Where copies of data directories go.

    Raises:
        UserError: no recordings, or labels that cannot be read.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES)
    if not paths:
        raise UserError(folder, "no recordings", f"files {' '.join(SUFFIXES)}")
    scores: dict[Path, MusicScore] = {}
    findings: dict[Path, list[Finding]] = {path.resolve(): [] for path in paths}
    for copy, audio in _labelled(folder, work):
        if not (copy / "segments").is_file():
            found = read_scores(copy)
            scores |= {audio[utt]: found[utt] for utt in audio if utt in found}
        for finding in lint(copy):
            of = audio.get(finding.utt)
            for path in findings if of is None else [of]:
                findings.setdefault(path, []).append(finding)
    recordings = []
    for path in paths:
        info, whole = audio_info(path), path.resolve()
        if whole not in scores:
            findings[whole] += lint(_unlabelled(path, work / "unlabelled" / path.stem))
        times, f0 = _by_hand(folder, path)
        recordings.append(Recording(
            path.stem, path.relative_to(folder).parts[0], path, info.fs, info.seconds,
            scores.get(whole), tuple(findings[whole]), times, f0,
        ))  # fmt: skip
    return recordings


def _labelled(folder: Path, work: Path) -> Iterator[tuple[Path, dict[str, Path]]]:
    """Copies of the data directories, and the recording of each of their utterances."""
    for data in sorted(path.parent for path in (folder / LABELLED).glob("*/wav.scp")):
        copy = work / LABELLED / data.name
        shutil.copytree(data, copy, dirs_exist_ok=True)
        for name in ("wav.scp", "score.scp"):
            if (data / name).is_file():
                table = read_table(data / name)
                place = data / name
                write_table(copy / name, {u: _below(folder, p, place) for u, p in table.items()})
        wavs = {utt: Path(path).resolve() for utt, path in read_table(copy / "wav.scp").items()}
        if (copy / "segments").is_file():
            segments = read_table(copy / "segments")
            wavs = {utt: wavs[words.split()[0]] for utt, words in segments.items()}
        yield copy, wavs


def _below(folder: Path, path: str, place: Path) -> Path:
    """The file below `folder` that has the longest end of `path`."""
    parts = Path(path).parts
    for first in range(len(parts)):
        found = folder.joinpath(*parts[first:])
        if parts[first] not in ("/", "..") and found.is_file():
            return found.resolve()
    raise UserError(place, path, f"a file below {folder}")


def _unlabelled(path: Path, data: Path) -> Path:
    """A data directory of one recording without a label."""
    data.mkdir(parents=True, exist_ok=True)
    write_table(data / "wav.scp", {path.stem: path.resolve()})
    write_table(data / "utt2spk", {path.stem: "singer"})
    return data


def _by_hand(folder: Path, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Times (T,) and F0 (T,) of the file beside a recording; both empty where there is none."""
    found = sorted(folder.joinpath(path.relative_to(folder).parts[0]).rglob(f"{path.stem}_f0.csv"))
    if not found:
        return np.zeros(0), np.zeros(0)
    rows = []
    for number, line in enumerate(read_text(found[0]).splitlines(), 1):
        try:
            time, hz = map(float, line.split(","))
        except ValueError:
            raise UserError(f"{found[0]}:{number}", repr(line), "time (s), F0 (Hz)") from None
        rows.append((time, hz))
    times, f0 = np.array(rows).T
    return times, f0
