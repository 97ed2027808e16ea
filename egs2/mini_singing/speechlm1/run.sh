#!/usr/bin/env bash
# The embedded corpus, which the recipe makes itself: from nothing to a report and a packed model.
#   ./run.sh                  everything (two cores: about half an hour)
#   ./run.sh --size debug     the same stages with tiny data and models (minutes; sings noise)
#   ./run.sh --size few       the default models on the small cast: seven singers and an unseen one
#   ./run.sh --size free      the same on freer performances: takes of a score differ three times as
#                             much, and each song of test is sung three times (test_takes)
# The sizes share data/, dump/ and exp/: give each a copy of this directory (cp -a).
# Any option of speechlm_svs.sh may follow, e.g. ./run.sh --stage 9 --inference_config conf/mine.yaml.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

options=(
  --train_set train --valid_set dev --test_sets "test test_words test_singer" --prompt_sets speech
  --nj "$(env -u OMP_NUM_THREADS nproc)"
  --parallel_stages true
  --duration_inference_config conf/decode_duration.yaml
)
sizes_default=(
  --local_data_opts "--cast many --minutes 75 --speech_minutes 10"
)
sizes_few=(
  --local_data_opts "--cast few --minutes 66 --speech_minutes 10 --corpus_dir downloads/mini_singing_few"
)
sizes_debug=(
  --local_data_opts "--minutes 1.5 --speech_minutes 0.3 --singers 3"
  --tokenizer_config conf/tokenizer_debug.yaml
  --train_config conf/train_speechlm_debug.yaml
  --inference_config conf/decode_speechlm_debug.yaml
  --flow_config conf/train_flow_debug.yaml
  --flow_inference_config conf/decode_flow_debug.yaml
  --vocoder_config conf/train_vocoder_debug.yaml
  --duration_config conf/train_duration_debug.yaml
  --scoring_config conf/scoring_debug.yaml
  --score_matters false
)
sizes_free=(
  --local_data_opts "--cast few --minutes 66 --speech_minutes 10 --freedom 3 --takes 3 --corpus_dir downloads/mini_singing_free"
  --test_sets "test test_takes test_words test_singer"
)

size=default
if [ "${1:-}" = --size ]; then size=${2:-}; shift 2; fi
case ${size} in
  default) options+=("${sizes_default[@]}") ;;
  few) options+=("${sizes_few[@]}") ;;
  debug) options+=("${sizes_debug[@]}") ;;
  free) options+=("${sizes_free[@]}") ;;
  *) echo "run.sh: error: --size ${size} (expected default, few, debug or free)" >&2; exit 2 ;;
esac

exec ./speechlm_svs.sh "${options[@]}" "$@"
