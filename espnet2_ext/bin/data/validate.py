"""Check everything of a data directory; exit status 2 and a line for each finding."""

import argparse
import sys
from pathlib import Path

from espnet2_ext.errors import USER_ERROR_STATUS


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data_dir", type=Path, required=True, help="data directory to check")
    parser.add_argument("--fs", type=int, help="rate (Hz) that audio should have")


def run(args: argparse.Namespace) -> int:
    from espnet2_ext.lint import lint_data_dir

    # Audio longer than its label is put right later: the score is extended by a rest. Formatting
    # has read the samples.
    findings = lint_data_dir(args.data_dir, args.fs, level="header", max_long_sec=None)
    for finding in findings:
        print(f"error: {finding}", file=sys.stderr)
    return USER_ERROR_STATUS if findings else 0
