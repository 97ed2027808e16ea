#!/usr/bin/env bash
# InstructAudio on the embedded songs and speech, which the recipe makes itself: from nothing to scores.
#   ./run.sh                  everything
#   ./run.sh --size debug     the same stages with tiny data and models (minutes; makes noise)
# The sizes share data/, dump/ and exp/: give each a copy of this directory (cp -a).
# Any option of instructaudio.sh may follow, e.g. ./run.sh --stage 7 --flow_args "--seed 1".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

options=(
  --train_set train --valid_set dev --test_sets "test test_phrasing test_combination"
  --parallel_stages true --nj "$(env -u OMP_NUM_THREADS nproc)"
)
sizes_default=(--local_data_opts "--song_minutes 60 --speech_minutes 30" --judge_data local/judge_data.sh)
sizes_debug=(
  --local_data_opts "--size debug"
  --mel_vae_config conf/train_mel_vae_debug.yaml
  --n_pieces 600
  --flow_config conf/train_latent_flow_debug.yaml
  --flow_inference_config conf/decode_latent_flow_debug.yaml
  --vocoder_config conf/train_vocoder_debug.yaml
  --scoring_config conf/scoring_debug.yaml
)

size=default
if [ "${1:-}" = --size ]; then size=${2:-}; shift 2; fi
case ${size} in
  default) options+=("${sizes_default[@]}") ;;
  debug) options+=("${sizes_debug[@]}") ;;
  *) echo "run.sh: error: --size ${size} (expected default or debug)" >&2; exit 2 ;;
esac

exec ./instructaudio.sh "${options[@]}" "$@"
