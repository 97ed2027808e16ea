"""What scored systems come to: tables, tests, pages."""

from espnet2_ext.bin.family import Family

main = Family(__name__, former="page").main
