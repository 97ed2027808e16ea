"""Train a model, with the options of its ESPnet task."""

from espnet2_ext.bin.family import Family

main = Family(__name__).main
