"""How fast the linter is: a data directory of many utterances, its headers; and samples, of some.

``python benchmarks/lint.py --utts 100000 --nj 2``. The directory is made in a temporary folder:
every utterance has a score file of its own and a hard link to one of a few sung tones, so that
files come from the page cache. Times are compared with bare reading of the same files by one
process, measured in the same run.
"""

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile

from espnet2_ext.audio.wav import write_wav
from espnet2_ext.files import read_table, write_table
from espnet2_ext.lint import Counts, Options, iterate
from espnet2_ext.score.formats.espnet_format import score_to_json
from espnet2_ext.score.music_score import MusicScore, Note, Phone

FS = 24000
N_WAVS = 16
N_NOTES = 12
NOTE_SEC = 0.4
SYLLABLES = (("n", "i"), ("h", "ao"), ("m", "a"), ("sh", "ang"), ("l", "ai"), ("w", "o"))
HEADER_BYTES = 4096


def make_score(rng: np.random.Generator) -> MusicScore:
    """A rest and notes of `NOTE_SEC`, with labels."""
    notes, phones = [Note(0.0, NOTE_SEC, 0, "", ("AP",))], [Phone(0.0, NOTE_SEC, "AP", 0)]
    for index in range(1, N_NOTES + 1):
        start, end = index * NOTE_SEC, (index + 1) * NOTE_SEC
        initial, final = SYLLABLES[rng.integers(len(SYLLABLES))]
        midi = int(rng.integers(57, 70))
        notes.append(Note(start, end, midi, initial + final, (initial, final)))
        phones.append(Phone(start, start + 0.08, initial, index))
        phones.append(Phone(start + 0.08, end, final, index))
    return MusicScore(tuple(notes), tuple(phones))


def sing(score: MusicScore, rng: np.random.Generator) -> np.ndarray:
    """A tone with harmonics for each final, noise for each initial."""
    parts = []
    for phone in score.phones:
        midi = score.notes[phone.note].midi
        times = np.arange(round(phone.end_sec * FS) - round(phone.start_sec * FS)) / FS
        f0 = 440 * 2 ** ((midi - 69) / 12)
        if not midi:
            parts.append(np.zeros(len(times)))
        elif phone.phone == score.notes[phone.note].phones[-1]:
            parts.append(sum(0.2 / k * np.sin(2 * np.pi * k * f0 * times) for k in range(1, 9)))
        else:
            parts.append(0.03 * rng.standard_normal(len(times)))
    return np.concatenate(parts)


def make_data_dir(path: Path, n_utts: int, seed: int = 0) -> Path:
    """Write a data directory of `n_utts` utterances."""
    rng = np.random.default_rng(seed)
    scores = [make_score(rng) for _ in range(N_WAVS)]
    for index, score in enumerate(scores):
        write_wav(path / "made" / f"{index}.wav", sing(score, rng), FS)
    tables: dict[str, dict[str, str]] = {
        name: {} for name in ("wav.scp", "text", "label", "score.scp", "utt2spk", "utt2lang")
    }
    texts = [json.dumps(score_to_json(score)) for score in scores]
    labels = [
        " ".join(f"{p.start_sec:.6f} {p.end_sec:.6f} {p.phone}" for p in score.phones)
        for score in scores
    ]
    for index in range(n_utts):
        utt, which = f"u{index:07d}", index % N_WAVS
        folder = path / "files" / f"{index // 1000:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{utt}.json").write_text(texts[which], encoding="utf-8")
        os.link(path / "made" / f"{which}.wav", folder / f"{utt}.wav")
        tables["wav.scp"][utt] = str(folder / f"{utt}.wav")
        tables["score.scp"][utt] = str(folder / f"{utt}.json")
        tables["label"][utt] = labels[which]
        tables["text"][utt] = " ".join(phone.phone for phone in scores[which].phones)
        tables["utt2spk"][utt], tables["utt2lang"][utt] = f"s{which:02d}", "zh"
    for name, table in tables.items():
        write_table(path / "data" / name, table)
    return path / "data"


@dataclass(frozen=True)
class Measured:
    """A run of the linter beside bare reading.

    Args:
        level: ``header`` or ``audio``.
        utts: Utterances.
        findings: What it found.
        wall_sec: Its time.
        cpu_sec: Processor time of all its processes.
        bare_sec: Time of bare reading of the same files, by one process.
        utts_per_sec: Utterances per second of its time.
        times_bare: Its time over that of bare reading.
        real_time_factor: Its time over the duration of the audio read; None at level header.
        peak_mib: Peak of the main process.
        peak_child_mib: Peak of its largest worker.
    """

    level: str
    utts: int
    findings: int
    wall_sec: float
    cpu_sec: float
    bare_sec: float
    utts_per_sec: float
    times_bare: float
    real_time_factor: float | None
    peak_mib: float
    peak_child_mib: float


def bare_reading(data: Path, level: str) -> float:
    """Seconds that one process takes to read tables, scores and headers (or samples)."""
    start = time.perf_counter()
    for name in ("text", "label", "utt2spk", "utt2lang"):
        read_table(data / name)
    wavs, scores = read_table(data / "wav.scp"), read_table(data / "score.scp")
    for utt, wav in wavs.items():
        Path(scores[utt]).read_bytes()
        if level == "audio":
            soundfile.read(wav, dtype="float32")
        else:
            with open(wav, "rb") as file:
                file.read(HEADER_BYTES)
    return time.perf_counter() - start


def measure(data: Path, level: str, nj: int) -> Measured:
    """Lint a directory in this process and its workers."""
    bare = bare_reading(data, level)
    counts = Counts()
    before = time.process_time()
    start = time.perf_counter()
    findings = sum(1 for _ in iterate(data, Options(level=level, nj=nj), counts))
    wall = time.perf_counter() - start
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(u.ru_utime + u.ru_stime for u in used) - before
    peaks = [u.ru_maxrss / 1024 for u in used]
    rtf = wall / counts.audio_sec if counts.audio_sec else None
    return Measured(
        level, counts.utts, findings, wall, cpu, bare, counts.utts / wall, wall / bare, rtf, *peaks
    )


def in_fresh_process(data: Path, level: str, nj: int) -> Measured:
    """`measure` in a new interpreter, whose peak memory is its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, data, level, nj).result()


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--utts", type=int, default=100_000, help="whose headers are checked")
    parser.add_argument("--audio_utts", type=int, default=1000, help="whose samples are checked")
    parser.add_argument("--nj", type=int, default=2, help="processes")
    parser.add_argument("--dir", type=Path, help="where the temporary folder goes")
    return parser


def main(argv: list[str] | None = None) -> None:
    args = get_parser().parse_args(argv)
    for level, utts in (("header", args.utts), ("audio", args.audio_utts)):
        with tempfile.TemporaryDirectory(dir=args.dir) as folder:
            data = make_data_dir(Path(folder), utts)
            measured = in_fresh_process(data, level, args.nj)
        shown = {k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(measured).items()}
        print(json.dumps(shown))


if __name__ == "__main__":
    main()
