"""Run one step from a score to samples over Kaldi tables.

Shards run side by side (--shard J --num_shards N, J from 1); whichever ends last joins what they
made into the output folder. Run again, a step goes on where it was.
"""

from espnet2_ext.bin.family import Family

main = Family(__name__).main
