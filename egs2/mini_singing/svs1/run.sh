#!/usr/bin/env bash
# SVS models on the embedded corpus: ESPnet's own, from the score to mel (xiaoicesing_mel) and to audio (visinger2),
# and ours that regresses mel and F0 from the score (score_regression). Needs stages 1-5 of ../speechlm1/run.sh, of the
# same size.
#   ./run.sh                  all systems
#   ./run.sh --size debug     the same stages with tiny models
# Any option of svs.sh may follow, e.g. ./run.sh --system xiaoicesing_mel --stage 4.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

size=default systems="score_regression xiaoicesing_mel visinger2"
options=(--train_set train --valid_set dev --test_sets "test test_words test_singer")
. utils/systems.sh
case ${size} in
  default) run_systems conf "" ;;
  debug) run_systems conf _debug ;;
  *) echo "run.sh: error: --size ${size} (expected default or debug)" >&2; exit 2 ;;
esac
