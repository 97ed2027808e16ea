"""The name that ``prepare opencpop`` had in version 0.1.0."""

import sys

from espnet2_ext.bin import prepare


def main(argv: list[str] | None = None) -> None:
    prepare.main(["opencpop", *(sys.argv[1:] if argv is None else argv)])


if __name__ == "__main__":
    main()
