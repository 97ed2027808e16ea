"""Fit what no gradient trainer trains: tokenizers, vocabulary, judges."""

from espnet2_ext.bin.family import Family

main = Family(__name__).main
