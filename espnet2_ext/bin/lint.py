"""Check score files and data directories before anything is trained on them.

Exit status 0 when all is well; 2 with one line per finding: file, place, found, expected.
"""

import argparse
import sys

from espnet2_ext.errors import USER_ERROR_STATUS, cli


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="MusicXML, MIDI, JSON, Opencpop lines, a data directory, or a corpus like Opencpop",
    )
    parser.add_argument("--fs", type=int, help="rate (Hz) that audio should have")
    return parser


@cli
def main(argv: list[str] | None = None) -> int:
    args = get_parser().parse_args(argv)
    from espnet2_ext.score.lint import lint

    findings = [finding for path in args.paths for finding in lint(path, args.fs)]
    for finding in findings:
        print(finding)
    where = "all is well" if not findings else f"{len(findings)} findings"
    print(f"{len(args.paths)} checked: {where}", file=sys.stderr)
    return USER_ERROR_STATUS if findings else 0


if __name__ == "__main__":
    main()
