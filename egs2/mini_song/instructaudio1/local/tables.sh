#!/usr/bin/env bash
# Tables 1 to 3 of InstructAudio (arXiv 2511.18487), after ./run.sh: how well words, descriptions and notes are
# heard in what is generated, beside the recordings and their resynthesis; with each alignment of words and
# sound; and of models of speech or songs alone. Trains stage 7 once more for each of these.
#   ./run.sh && local/tables.sh     writes exp/tables/instructaudio.{json,md} and exp/tables/frechet.json
# Can be run again: what is done is kept.
# shellcheck disable=SC2034,SC2154
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

split="test test_phrasing test_combination"  # evaluated
models="average none speech_only song_only"  # trained beside the run's own
recipe_options=        # options of ./run.sh that the run was made with
world_utts=12          # utterances with WORLD metrics, of each set
out=                   # default: exp/tables
. utils/after_run.sh
read -ra splits <<< "${split}"
. local/metrics.sh
score_words=()
after_recipe
hold_out "${expdir}/tables"

table_rows=(ground_truth vocoder_gt_mel vae_resynthesis instructaudio)
for model in ${models}; do
  case ${model} in
    speech_only) changes=(--kinds "speech dialogue") ;;
    song_only) changes=(--kinds song) ;;
    *) changes=(--flow_config "conf/tuning/train_latent_flow_${model}.yaml") ;;
  esac
  log "training: flow_${model}"
  recipe --stage 6 --stop_stage 7 --flow_tag "${model}" "${changes[@]}"
  table_rows+=("instructaudio-${model}")
done

score_table "${out}/systems.tsv" "${out}/scores" --table tables --rows "${table_rows[@]}" --set "${eval_name}"
utils/guard.py "${run_module[@]}" espnet2_ext.bin.report ablation --scores_dir "${out}/scores" --split "${splits[@]}" \
  --systems "${table_rows[@]}" --against instructaudio --metrics "${metrics[@]}" --out "${out}/instructaudio.json"
utils/guard.py "${run_module[@]}" espnet2_ext.bin.report frechet --table "${out}/systems.tsv" --judges_dir "${judges_dir}" \
  --out "${out}/frechet.json"
log "finished in ${SECONDS} s: ${out}/instructaudio.json, ${out}/frechet.json"
