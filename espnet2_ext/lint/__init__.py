"""Checks of scores and data directories before any training: every finding, one by one.

`lint` and `lint_data_dir` return findings; `iterate` yields them as they are found. What each kind
means: `findings.KINDS`; where it begins: `limits.Limits`.
"""

import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path

from espnet2_ext.lint.findings import KINDS, Finding, Findings, Kind
from espnet2_ext.lint.limits import Limits
from espnet2_ext.lint.run import LEVELS, Counts, Options, check_source
from espnet2_ext.lint.tables import DataDirTables, open_source
from espnet2_ext.lint.utterance import score_file_findings
from espnet2_ext.score.formats.read import SUFFIXES, read_score

__all__ = [
    "KINDS", "LEVELS", "Counts", "Finding", "Kind", "Limits", "Options", "iterate", "lint",
    "lint_data_dir",
]  # fmt: skip


def iterate(
    path: str | Path, options: Options | None = None, counts: Counts | None = None
) -> Iterator[Finding]:
    """Check a score file, a data directory, or a corpus in Opencpop's layout.

    Args:
        path: File or directory.
        options: How to look; by default everything, in this process.
        counts: Filled on the way.
    """
    path, options = Path(path), options or Options()
    if path.is_dir() or (path.suffix.lower() == ".txt" and path.is_file()):
        yield from check_source(open_source(path), options, counts)
        return
    findings = Findings()
    if ".txt#" not in str(path) and not path.is_file():
        expected = f"a data directory or a score ({', '.join(SUFFIXES)})"
        findings.add("table", path, "no such file", expected)
    else:
        read = functools.partial(read_score, language=options.language)
        score = findings.take("score", read, path)
        if score is not None:
            findings.items += score_file_findings(path, score)
    if counts is not None:
        counts.utts += 1
    yield from findings.items


def lint(path: str | Path, fs: int | None = None) -> list[Finding]:
    """Every finding at a path, empty when all is well; `fs` is the rate audio should have (Hz)."""
    return list(iterate(path, Options(fs=fs)))


def lint_data_dir(
    path: str | Path, fs: int | None = None, level: str = "audio", max_long_sec: float | None = 1.0
) -> list[Finding]:
    """Check a data directory.

    Args:
        path: The directory.
        fs: Rate that audio should have (Hz); that of most files by default.
        level: ``header`` reads no samples.
        max_long_sec: How much longer than its label audio may be (s); None: any.
    """
    limits = dataclasses.replace(Limits(), max_long_sec=max_long_sec)
    options = Options(fs=fs, level=level, limits=limits)
    return list(check_source(DataDirTables(Path(path)), options))
