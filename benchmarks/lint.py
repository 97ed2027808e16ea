"""How fast the linter is: a data directory of many utterances, its headers; and samples, of some.

``python benchmarks/lint.py --utts 100000 --nj 2``. The directory is made in a temporary folder:
every utterance has a score file of its own and a hard link to one of a few sung tones, so that
files come from the page cache. Times are compared with bare reading of the same files by one
process, measured in the same run.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from sung_tones import bare_reading, make_data_dir

from espnet2_ext.lint import Counts, Options, iterate


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
