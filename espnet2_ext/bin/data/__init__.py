"""Tools for data directories."""

from espnet2_ext.bin.family import Family

main = Family(__name__).main
