#!/usr/bin/env bash
# Steps and guidance of conf/decode_latent_flow.yaml, chosen on dev, after ./run.sh.
#   local/sampling.sh               exp/tables/sampling.{json,md}
# Can be run again: what is done is kept.
# shellcheck disable=SC2034,SC2154
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

split=dev              # the choice is made on it
world_utts=32          # utterances with WORLD metrics
recipe_options=        # options of ./run.sh that the run was made with
out=                   # default: exp/tables
. utils/after_run.sh
. local/metrics.sh
splits=("${split}") score_words=()
after_recipe
hold_out "${expdir}/tables"
score_table "${out}/sampling.tsv" "${out}/sampling" --table sampling --set "${split}" --out "${out}/sampling_wavs"
utils/guard.py "${run_module[@]}" espnet2_ext.bin.report ablation --scores_dir "${out}/sampling" --split "${split}" \
  --systems "${names[@]}" --against steps_8 --metrics "${metrics[@]}" --out "${out}/sampling.json"
log "finished in ${SECONDS} s: ${out}/sampling.json"
