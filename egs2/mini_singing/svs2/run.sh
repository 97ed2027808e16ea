#!/usr/bin/env bash
# ESPnet's own SVS models on the embedded corpus, from the score to the recipe's discrete tokens.
# Needs stages 1-5 of ../speechlm1/run.sh, of the same size.
#   ./run.sh                  both systems (two cores: about 25 minutes)
#   ./run.sh --size debug     the same stages with tiny models
# Any option of svs.sh may follow, e.g. ./run.sh --system toksing --stage 4.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

size=default systems="toksing xiaoicesing_discrete"
rest=()
while [ $# -gt 0 ]; do
  case $1 in
    --size) size=${2:-} ;;
    --system) systems=${2:-} ;;
    *) rest+=("$1"); shift; continue ;;
  esac
  shift "$(($# < 2 ? $# : 2))"
done
case ${size} in
  default) suffix= ;;
  debug) suffix=_debug ;;
  *) echo "run.sh: error: --size ${size} (expected default or debug)" >&2; exit 2 ;;
esac

for system in ${systems}; do
  ./svs.sh --system "${system}" --train_config "conf/train_${system}${suffix}.yaml" \
    --train_set train --valid_set dev --test_sets "test test_words test_singer" "${rest[@]}"
done
