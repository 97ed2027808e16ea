"""What the benchmarks share: ours against a peer in the same run, a table, a JSON file.

Ours and the peer take turns, so that other load on the machine hits both alike. After a warm-up the
medians of the repeats are kept. ``--cpu_time`` counts the process' CPU seconds in place of the
clock's, for a machine that others use too (without a GPU). RTF = compute time / audio time.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from espnet2_ext.files import write_json


@dataclass(frozen=True)
class Row:
    """One comparison.

    Args:
        name: What is timed.
        ours: Median of this toolkit, in `unit`.
        peer: Median of the peer, in `unit`; None: there is none.
        ratio: peer / ours: how many times faster this toolkit is.
        unit: As ``s``, ``ms/frame``, ``RTF``.
        note: What the peer is, and the batch, the steps ... of both.
    """

    name: str
    ours: float
    peer: float | None
    ratio: float | None
    unit: str
    note: str


def compare(
    name: str,
    ours: Callable[[], object],
    peer: Callable[[], object] | None,
    *,
    unit: str = "s",
    repeats: int = 3,
    warmup: int = 1,
    per: float = 1.0,
    peer_per: float | None = None,
    note: str = "",
) -> Row:
    """Time `ours` against `peer`.

    Args:
        name: Of the row.
        ours: Does the work once.
        peer: Does the same work the other way; None: nothing to compare with.
        unit: Of the row.
        repeats: Timed runs of each; the median counts.
        warmup: Runs of each before.
        per: Seconds are divided by it: seconds of audio for RTF, frames / 1000 for ms a frame.
        peer_per: That of the peer where it does another amount of work; None: as `per`.
        note: Of the row.
    """
    work = [(ours, per)] + ([] if peer is None else [(peer, per if peer_per is None else peer_per)])
    times: list[list[float]] = [[] for _ in work]
    for turn in range(warmup + repeats):
        for (run, amount), taken in zip(work, times, strict=True):
            sec = _seconds(run)
            if turn >= warmup:
                taken.append(sec / amount)
    medians = [statistics.median(taken) for taken in times]
    if peer is None:
        return Row(name, medians[0], None, None, unit, note)
    return Row(name, *medians, medians[1] / medians[0], unit, note)


_clock: Callable[[], float] = time.perf_counter


def _seconds(run: Callable[[], object]) -> float:
    _synchronize()
    start = _clock()
    run()
    _synchronize()
    return _clock() - start


def _synchronize() -> None:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def hardware() -> str:
    """The machine and the versions that were timed."""
    cores = len(os.sched_getaffinity(0))
    parts = [f"{cores} core{'s' * (cores != 1)} ({_cpu()})", f"{torch.get_num_threads()} threads"]
    if torch.cuda.is_available():
        parts.append(torch.cuda.get_device_name())
    else:
        parts.append("no GPU")
    parts.append(f"Python {platform.python_version()}, torch {torch.__version__}")
    return ", ".join(parts)


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of every benchmark."""
    parser.add_argument("--json", type=Path, help="also write the rows here")
    parser.add_argument("--repeats", type=int, default=3, help="timed runs, of which the median")
    parser.add_argument("--cpu_time", action="store_true", help="CPU seconds, not the clock's")
    parser.add_argument("--threads", type=int, help="threads of torch (default: torch's own)")


def start(args: argparse.Namespace) -> None:
    """Apply the options of `add_arguments`; call it before anything is timed."""
    global _clock
    if args.threads:
        torch.set_num_threads(args.threads)
    _clock = time.process_time if args.cpu_time else time.perf_counter


def run_on_device(
    parser: argparse.ArgumentParser,
    rows: Callable[[argparse.Namespace], Iterable[Row]],
    argv: Sequence[str] | None,
) -> None:
    """A benchmark whose rows need nothing but the options: these, ``--device`` and `parser`'s."""
    parser.add_argument("--device", default="cpu")
    add_arguments(parser)
    args = parser.parse_args(argv)
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        parser.error("no CUDA device on this machine; --device cpu is the default")
    start(args)
    finish(rows(args), args)


def finish(rows: Iterable[Row], args: argparse.Namespace) -> None:
    """Print the rows as a Markdown table, each as soon as it is there, and write ``--json``."""
    clock = "CPU time" if args.cpu_time else "wall-clock time"
    print(f"{hardware()}; {clock}, medians of {args.repeats}\n", flush=True)
    print("| what | ours | peer | ratio | unit | notes |\n| --- | --- | --- | --- | --- | --- |")
    done = []
    for row in rows:
        done.append(row)
        peer, ratio = (
            "-" if value is None else form.format(value)
            for value, form in ((row.peer, "{:.4g}"), (row.ratio, "{:.2f}x"))
        )
        cells = (row.name, f"{row.ours:.4g}", peer, ratio, row.unit, row.note)
        print(f"| {' | '.join(cells)} |", flush=True)
    if args.json:
        value = {
            "hardware": hardware(),
            "clock": clock,
            "repeats": args.repeats,
            "rows": [asdict(r) for r in done],
        }
        write_json(args.json, value)
