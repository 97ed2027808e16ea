"""Tools for data directories: validate, fix, split, subset, filter, combine."""

import argparse
import sys
from pathlib import Path

from espnet2_ext.errors import USER_ERROR_STATUS, UserError, cli
from espnet2_ext.lock import hold_to_the_end


def get_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, text: str, out: bool = True) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        if out:
            command.add_argument("--in_dir", type=Path, required=True)
            command.add_argument("--out_dir", type=Path, required=True)
        return command

    command = add("validate", "check everything; exit status 2 and a line per finding", out=False)
    command.add_argument("--data_dir", type=Path, required=True)
    command.add_argument("--fs", type=int, help="rate (Hz) that audio should have")
    add("fix", "sort, and drop utterances that a table or their audio lacks")
    command = add("filter", "keep utterances of some lengths, and not those of a list")
    command.add_argument("--min_sec", type=float)
    command.add_argument("--max_sec", type=float)
    command.add_argument("--exclude", type=Path, help="file whose lines begin with an id: dropped")
    command = add("subset", "keep some utterances")
    command.add_argument("--utt_list", type=Path, help="file whose lines begin with an id")
    command.add_argument("--speakers", nargs="+")
    command.add_argument("--number", type=int, help="keep at most so many: the first by id")
    command.add_argument("--seed", type=int, help="draw them instead of taking the first")
    command = add("split", "split into OUT_DIR/1 .. OUT_DIR/N")
    command.add_argument("--number", type=int, required=True)
    command = add("combine", "join several directories", out=False)
    command.add_argument("--in_dirs", type=Path, nargs="+", required=True)
    command.add_argument("--out_dir", type=Path, required=True)
    return parser


def _ids(path: Path) -> list[str]:
    """First words of a file's lines."""
    from espnet2_ext.files import read_text

    return [line.split()[0] for line in read_text(path).split("\n") if line.strip()]


@cli
def main(argv: list[str] | None = None) -> int:
    args = get_parser().parse_args(argv)
    from espnet2_ext.data import data_dir

    if args.command == "validate":
        from espnet2_ext.lint import lint_data_dir

        # Audio longer than its label is put right later: the score is extended by a rest.
        # Formatting has read the samples.
        findings = lint_data_dir(args.data_dir, args.fs, level="header", max_long_sec=None)
        for finding in findings:
            print(f"error: {finding}", file=sys.stderr)
        return USER_ERROR_STATUS if findings else 0
    hold_to_the_end(args.out_dir)
    if args.command == "fix":
        dropped = data_dir.fix(args.in_dir, args.out_dir)
        print(f"{args.out_dir}: {len(dropped)} dropped")
    elif args.command == "filter":
        exclude = _ids(args.exclude) if args.exclude is not None else []
        dropped = data_dir.filter_by_length(
            args.in_dir, args.out_dir, args.min_sec, args.max_sec, exclude
        )
        print(f"{args.out_dir}: {len(dropped)} dropped")
    elif args.command == "subset":
        utts = _ids(args.utt_list) if args.utt_list is not None else None
        if args.number is not None and args.number < 1:
            raise UserError("--number", str(args.number), "1 or more")
        kept = data_dir.subset(
            args.in_dir, args.out_dir, utts, args.speakers, args.number, args.seed
        )
        print(f"{args.out_dir}: {len(kept)} kept")
    elif args.command == "split":
        parts = [args.out_dir / str(i) for i in range(1, args.number + 1)]
        sizes = data_dir.split(args.in_dir, parts)
        print(f"{args.out_dir}: {len(sizes)} parts of {min(sizes)} to {max(sizes)} utterances")
    else:
        number = data_dir.combine(args.in_dirs, args.out_dir)
        print(f"{args.out_dir}: {number} utterances")
    return 0


if __name__ == "__main__":
    main()
