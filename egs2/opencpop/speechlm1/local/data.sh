#!/usr/bin/env bash
# Data preparation: ${corpus_dir} (Opencpop as published) -> data/{train,dev,test}.
set -euo pipefail

corpus_dir=downloads/opencpop
dev_songs=5   # the last songs of train
max_bad=0.05  # share of the corpus' lines that may be bad; data/rejected.txt names them
# shellcheck disable=SC2034
nj=1          # every recipe gives it; nothing here is worth sharing out

help_message="Usage: local/data.sh [--corpus_dir downloads/opencpop] [--dev_songs 5] [--max_bad 0.05]"
. ./path.sh
. utils/parse_options.sh
[ $# -eq 0 ] || { echo "data.sh: error: no positional arguments are taken: $*" >&2; exit 2; }

"${PYTHON:-python3}" -m espnet2_ext.bin.prepare opencpop --corpus "${corpus_dir}" --out "${datadir:-data}" \
  --dev_songs "${dev_songs}" --max_bad "${max_bad}"
