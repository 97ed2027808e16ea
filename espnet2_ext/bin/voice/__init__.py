"""Voices to sing in."""

from espnet2_ext.bin.family import Family

main = Family(__name__).main
