"""The linter's run over utterances: drawn, in parallel, resumable, in little memory."""

import collections
import contextlib
import functools
import itertools
import logging
import random
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from espnet2_ext.lint.findings import Finding, Findings
from espnet2_ext.lint.limits import Limits
from espnet2_ext.lint.tables import Source
from espnet2_ext.lint.utterance import Checked, Checks, Item, check
from espnet2_ext.lint.work_file import WorkFile
from espnet2_ext.workers import worker_pool

LEVELS = ("header", "audio")
CHUNK = 16
CHUNKS_AHEAD = 8
"""Chunks in flight per process: enough to keep it busy, few enough to bound memory."""
LOG_EVERY_SEC = 30.0
MANY, MANY_SHARE = 5, 0.5
"""Where so many utterances, and such a share of all, have an empty top band, the corpus has it."""


@dataclass(frozen=True)
class Options:
    """How to look.

    Args:
        fs: Rate that audio should have (Hz); that of most files by default.
        level: ``header`` reads no samples; ``audio`` reads all.
        nj: Processes.
        sample: Look into so many utterances, drawn; None: all.
        seed: Of the draw.
        work: File that keeps what was found in samples; None: nothing is kept.
        limits: Thresholds.
        language: ISO 639 code of the lyrics of a score file; what the file says by default.
    """

    fs: int | None = None
    level: str = "audio"
    nj: int = 1
    sample: int | None = None
    seed: int = 0
    work: Path | None = None
    limits: Limits = field(default_factory=Limits)
    language: str | None = None


@dataclass
class Counts:
    """What was looked at.

    Args:
        utts: Utterances.
        read: Those whose samples were read now, not in a run before.
        audio_sec: Duration of what was read.
        wall_sec: Time it took.
    """

    utts: int = 0
    read: int = 0
    audio_sec: float = 0.0
    wall_sec: float = 0.0


def check_source(
    source: Source, options: Options, counts: Counts | None = None
) -> Iterator[Finding]:
    """Check the utterances of a source.

    Args:
        source: Where they come from.
        options: How to look.
        counts: Filled on the way.

    Yields:
        Findings, those of the tables first, then in order of utterances; wrong rates and what is
        so of most utterances last.
    """
    counts = Counts() if counts is None else counts
    start = time.monotonic()
    items: Iterable[Item] = source.items()
    if options.sample is not None and options.sample < len(source):
        drawn = set(random.Random(options.seed).sample(range(len(source)), options.sample))
        items = (item for index, item in enumerate(items) if index in drawn)
    checks = Checks(options.limits, source.phones, source.phones_expected, options.level == "audio")
    yield from source.findings.items
    work = WorkFile(options.work if checks.audio else None)
    empty_bands: list[Finding] = []
    rates: dict[int, list[tuple[str, str]]] = {}
    logged = start
    with contextlib.closing(work):
        for number, checked in enumerate(_each(items, work, checks, options.nj), 1):
            counts.utts += 1
            if checked.fs is not None:
                rates.setdefault(checked.fs, []).append((checked.utt, checked.audio_place))
            yield from checked.findings
            if checked.audio_findings is not None:
                counts.read += 1
                counts.audio_sec += checked.seconds
                work.add(checked.utt, checked.key, checked.audio_findings)
            heard = checked.audio_findings
            if heard is None and checked.key:
                heard = work.known[checked.utt][1]
            for finding in heard or ():
                if finding.kind == "empty_band":
                    empty_bands.append(finding)
                else:
                    yield finding
            if time.monotonic() - logged > LOG_EVERY_SEC:
                logged = time.monotonic()
                total = len(source) if options.sample is None else options.sample
                logging.info("%s: %d of %d utterances", source.path, number, total)
    counts.wall_sec += time.monotonic() - start
    yield from _wrong_rates(rates, options.fs)
    yield from _empty_bands(empty_bands, counts.utts, source.path)


def checks_of(source: Source, limits: Limits, audio: bool) -> Checks:
    """What is checked in every utterance of a source."""
    return Checks(limits, source.phones, source.phones_expected, audio)


def _each(items: Iterable[Item], work: WorkFile, checks: Checks, nj: int) -> Iterator[Checked]:
    """Check utterances in order, over processes."""
    pairs = ((item, work.known.get(item.utt, ("", []))[0]) for item in items)
    if nj <= 1:
        for item, known_key in pairs:
            yield check(item, known_key, checks)
        return
    chunks = iter(lambda: list(itertools.islice(pairs, CHUNK)), [])
    check_chunk = functools.partial(_check_chunk, checks=checks)
    with worker_pool(nj) as pool:
        waiting: collections.deque[Future[list[Checked]]] = collections.deque()
        for chunk in chunks:
            waiting.append(pool.submit(check_chunk, chunk))
            if len(waiting) >= nj * CHUNKS_AHEAD:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


def _check_chunk(pairs: list[tuple[Item, str]], checks: Checks) -> list[Checked]:
    return [check(item, known_key, checks) for item, known_key in pairs]


def _empty_bands(findings: list[Finding], n_utts: int, path: Path) -> list[Finding]:
    """Findings of empty top bands; one for all, where most of a corpus has one."""
    if len(findings) < max(MANY, MANY_SHARE * n_utts):
        return findings
    (most, _), *_ = collections.Counter(finding.found for finding in findings).most_common()
    summary = Findings()
    found = f"{len(findings)} of {n_utts} utterances have an empty top band, most often {most}"
    badness = max(finding.badness for finding in findings)
    summary.add("empty_band", path, found, findings[0].expected, badness=badness)
    return summary.items


def _wrong_rates(rates: dict[int, list[tuple[str, str]]], fs: int | None) -> list[Finding]:
    """Findings for audio whose rate is not the one asked for, or not that of most."""
    findings = Findings()
    if fs is None:
        fs = max(rates, key=lambda rate: len(rates[rate]), default=None)
    for rate in sorted(rates.keys() - {fs}):
        for utt, place in rates[rate]:
            findings.add("rate", place, f"{rate} Hz", f"{fs} Hz", utt=utt)
    return findings.items
