"""Check score files and data directories before anything is trained on them.

Exit status 0 when all is well; 2 with one line per finding on stdout: file, place, found, expected.
"""

import argparse
import sys
from pathlib import Path

from espnet2_ext.errors import USER_ERROR_STATUS, UserError, cli


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="a score of any format, a data directory, or a corpus like Opencpop",
    )
    parser.add_argument("--fs", type=int, help="rate (Hz) that audio should have")
    parser.add_argument(
        "--lang", help="language of a score's lyrics (ISO 639); zh where none is written"
    )
    parser.add_argument(
        "--level",
        choices=("header", "audio"),
        default="audio",
        help="header: tables, scores and audio headers; audio: samples too",
    )
    parser.add_argument(
        "--limits",
        type=Path,
        metavar="FILE",
        help="YAML of thresholds that differ from docs/lint.md",
    )
    parser.add_argument("--nj", type=int, default=1, help="processes")
    parser.add_argument("--sample", type=int, help="look into so many utterances, drawn")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument(
        "--work",
        type=Path,
        metavar="FOLDER",
        help="keeps what was found in samples, so that a killed run goes on where it was",
    )
    parser.add_argument("--exclude", type=Path, metavar="FILE", help="write ids to leave out")
    parser.add_argument(
        "--exclude_kinds", nargs="+", metavar="KIND", help="that exclude (default: see docs)"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page of the worst ten")
    return parser


@cli
def main(argv: list[str] | None = None) -> int:
    args = get_parser().parse_args(argv)
    from espnet2_ext.files import parse_config, read_yaml
    from espnet2_ext.lint import Counts, Limits, Options, iterate
    from espnet2_ext.lint.summary import Summary, check_kinds

    for name in ("nj", "sample"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise UserError(f"--{name}", str(value), "1 or more")
    excluding = check_kinds(args.exclude_kinds)
    limits = Limits()
    if args.limits is not None:
        limits = parse_config(Limits, read_yaml(args.limits), args.limits)
    summary, counts = Summary(), Counts()
    for path in args.paths:
        work = None
        if args.work is not None:
            work = args.work / (str(path.resolve()).strip("/").replace("/", "_") + ".jsonl")
        options = Options(
            args.fs, args.level, args.nj, args.sample, args.seed, work, limits, args.lang
        )
        for finding in iterate(path, options, counts):
            print(finding)
            summary.add(path, finding)
    sys.stdout.flush()
    print(summary.text(counts), file=sys.stderr)
    if args.exclude is not None:
        number = summary.write_exclude(args.exclude, excluding)
        print(f"{args.exclude}: {number} utterances to leave out", file=sys.stderr)
    if args.html is not None:
        from espnet2_ext.lint.page import write_page

        write_page(args.html, summary, counts, limits)
    return USER_ERROR_STATUS if summary.number else 0


if __name__ == "__main__":
    main()
