#!/usr/bin/env bash
# What each option of decoding and of the flow is worth, after ./run.sh: docs/ablations.md.
#   local/ablations.sh                        the rows below on dev: exp/ablations/dev.{json,md}
#   local/ablations.sh --split test --rows "start kept"
#   local/ablations.sh --against unguided --rows "unguided flow_on_samples"    also trains a flow
# Can be run again: rows that are done are kept.
# shellcheck disable=SC2034,SC2154
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

split=dev              # everything is tuned on it; test comes last
rows="start soft unguided no_guidance kept no_soft"  # of conf/ablations.yaml
against=start          # the row that the others are held against
world_utts=16          # utterances with WORLD metrics
recipe_options=        # options of ./run.sh that the run was made with
out=                   # default: exp/ablations
. utils/after_run.sh
read -ra row_list <<< "${rows}"
splits=("${split}") score_words=()
after_recipe
systems_config=conf/ablations.yaml
hold_out "${expdir}/ablations"

# The flow goes on training for a third of its steps on what the LM sings of the training set, and
# sees the score's phones too.
if [[ " ${rows} " == *" flow_on_samples "* ]]; then
  recipe --stage 10 --stop_stage 10 --flow_on_samples true --flow_tag on_samples \
    --inference_config conf/tuning/decode_speechlm_soft.yaml --flow_config conf/tuning/train_flow_on_samples.yaml \
    --flow_args "--init_param ${flow_exp}/${flow_model}:::networks.condition.phones,ema.condition/phones"
fi

score_table "${out}/${split}.tsv" "${out}/scores" \
  --table ablations --rows "${row_list[@]}" --set "${split}" --out "${out}/${split}"
utils/guard.py "${run_module[@]}" espnet2_ext.bin.report ablation --scores_dir "${out}/scores" --split "${split}" \
  --systems "${row_list[@]}" --against "${against}" --out "${out}/${split}.json"
log "finished in ${SECONDS} s: ${out}/${split}.json"
