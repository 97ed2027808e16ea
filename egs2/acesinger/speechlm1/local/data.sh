#!/usr/bin/env bash
# Data preparation: ACE-Opencpop -> data/{train,validation,test}. ${corpus_dir} may hold
#   parquet/{train,validation,test}-*.parquet       shards of the hub, put there by hand
#   segments/ raw_data/ lyrics/ no_lyrics/          the raw release
# Without either, the shards are fetched, one at a time; no second copy of the audio is kept.
set -euo pipefail

corpus_dir=downloads
vocals=lyrics  # of the raw release: lyrics or no_lyrics
max_bad=0.05   # share of the corpus' lines that may be bad; data/rejected.txt names them
# shellcheck disable=SC2034
nj=1           # every recipe gives it; shards are taken one by one

help_message="Usage: local/data.sh [--corpus_dir downloads] [--vocals lyrics] [--max_bad 0.05]"
. ./path.sh
. utils/parse_options.sh
[ $# -eq 0 ] || { echo "data.sh: error: no positional arguments are taken: $*" >&2; exit 2; }

"${PYTHON:-python3}" -m espnet2_ext.bin.prepare acesinger --corpus "${corpus_dir}" --out "${datadir:-data}" \
  --vocals "${vocals}" --max_bad "${max_bad}"
