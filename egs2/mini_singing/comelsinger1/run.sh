#!/usr/bin/env bash
# CoMelSinger on the embedded corpus, which the recipe makes itself: from nothing to a pack.
#   ./run.sh                  everything
#   ./run.sh --size debug     the same stages with tiny data and models (minutes; sings noise)
# The sizes share data/, dump/ and exp/: give each a copy of this directory (cp -a).
# Any option of comelsinger.sh may follow, e.g. ./run.sh --stage 9 --acoustic_args "--seed 1".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

options=(
  --train_set train --valid_set dev --test_sets "test test_words test_singer" --prompt_sets speech
  --parallel_stages true --nj "$(env -u OMP_NUM_THREADS nproc)"
)
sizes_default=(
  --local_data_opts "--cast many --minutes 75 --speech_minutes 10"
)
sizes_debug=(
  --local_data_opts "--minutes 1.5 --speech_minutes 0.3 --singers 3"
  --tokenizer_config conf/tokenizer_debug.yaml
  --semantic_config conf/train_semantic_debug.yaml
  --transcription_config conf/train_transcription_debug.yaml
  --pretraining_config conf/train_pretraining_debug.yaml
  --acoustic_config conf/train_acoustic_debug.yaml
  --inference_config conf/decode_masked_debug.yaml
  --vocoder_config conf/train_vocoder_debug.yaml
  --duration_config conf/train_duration_debug.yaml
  --scoring_config conf/scoring_debug.yaml
)

size=default
if [ "${1:-}" = --size ]; then size=${2:-}; shift 2; fi
case ${size} in
  default) options+=("${sizes_default[@]}") ;;
  debug) options+=("${sizes_debug[@]}") ;;
  *) echo "run.sh: error: --size ${size} (expected default or debug)" >&2; exit 2 ;;
esac

exec ./comelsinger.sh "${options[@]}" "$@"
