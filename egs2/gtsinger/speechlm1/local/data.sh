#!/usr/bin/env bash
# Data preparation: ${corpus_dir} (GTSinger as published) -> data/{train,dev,test}.
set -euo pipefail

corpus_dir=downloads/gtsinger
languages=zh,en  # of zh en fr de it ja ko ru es, with commas
download=false   # fetch what is missing from the Hugging Face hub
phones=lyrics    # lyrics: Mandarin and English as lyrics are read; own: all as published
max_bad=0.05     # share of the utterances that may be bad; data/rejected.txt names them
# shellcheck disable=SC2034
nj=1             # every recipe gives it; nothing here is worth sharing out

help_message="Usage: local/data.sh [--corpus_dir downloads/gtsinger] [--languages zh,en] [--download false]
    [--phones lyrics|own] [--max_bad 0.05]"
. ./path.sh
. utils/parse_options.sh
[ $# -eq 0 ] || { echo "data.sh: error: no positional arguments are taken: $*" >&2; exit 2; }

fetch=()
if "${download}"; then fetch=(--download); fi
read -ra codes <<< "${languages//,/ }"
"${PYTHON:-python3}" -m espnet2_ext.bin.prepare gtsinger --corpus "${corpus_dir}" --out "${datadir:-data}" \
  --languages "${codes[@]}" --phones "${phones}" --max_bad "${max_bad}" "${fetch[@]}"
