#!/usr/bin/env bash
# Table VII of CoMelSinger (Zhao et al. 2026), after ./run.sh: a model of semantic to acoustic tokens that
# learned to speak, without a melody, is adapted to singing in six ways, each for the same steps; beside
# them full adaptation by the token loss alone, and the same training from nothing.
#   ./run.sh && local/adaptations.sh     writes exp/adaptations/{adaptations,octave}.{json,md}
# Can be run again: what is done is kept.
# shellcheck disable=SC2034,SC2154
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

split=test_singer      # evaluated: singers that no training has heard
rows="full lora llrd pitch prefix progressive full_no_cl_svt scratch"
octave_rows="full full_no_cl_svt"  # sung with two prompts an octave apart: does the prompt's melody leak?
octave_utts=24         # utterances of that
speech_minutes=40      # of the speech that is learned first
cast=many              # its voices: none of the corpus'
pretraining_args=      # more options of the training on speech, e.g. "--max_epoch 1"
acoustic_args=         # more options of each adaptation
recipe_options=        # options of ./run.sh that the run was made with
world_utts=0           # utterances with WORLD metrics
nj=2
out=                   # default: exp/adaptations
. utils/after_run.sh
adapted_with=${acoustic_args} spoken_with=${pretraining_args}
read -ra row_list <<< "${rows}"
splits=("${split}")
score_words=()
recipe_options+=" --test_sets ${split}"
after_recipe
hold_out "${expdir}/adaptations"

# Speech of other voices, tokenized as the singing is; a model of it.
speech=(--train_set speech_train --valid_set speech_dev --test_sets speech_dev --prompt_sets "")
PYTHON="${python}" utils/guard.py local/speech_data.sh --nj "${nj}" --speech_minutes "${speech_minutes}" --cast "${cast}"
recipe "${speech[@]}" --stage 2 --stop_stage 3
recipe "${speech[@]}" --stage 5 --stop_stage 5
recipe "${speech[@]}" --stage 8 --stop_stage 8 --pretraining_tag speech \
  --pretraining_config conf/tuning/pretrain_on_speech.yaml --pretraining_args "${spoken_with}"

# The last --init_param counts: it leaves out what the model of speech lacks, and without a file the
# training starts from nothing.
for method in "${row_list[@]}"; do
  start="${expdir}/pretraining_speech/${inference_model}:::model.conditions.melody"
  case ${method} in
    full_no_cl_svt) more="--singing_conf cl=0 --singing_conf svt=0" ;;
    prefix) more="--adaptation_conf method=prefix --model_conf virtual_tokens=20" start+=",model.virtual" ;;
    scratch) more="" start="" ;;
    *) more="--adaptation_conf method=${method}" ;;
  esac
  log "adaptation: ${method}"
  recipe --stage 9 --stop_stage 9 --pretraining_tag speech --acoustic_tag "adapt_${method}" \
    --acoustic_config conf/tuning/adapt.yaml --acoustic_args "${more} --init_param ${start} ${adapted_with}"
done

recipe --stage 5 --stop_stage 5
score_table "${out}/systems.tsv" "${out}/scores" --table adaptations --rows "${row_list[@]}" --set "${eval_name}"
utils/guard.py "${run_module[@]}" espnet2_ext.bin.report ablation --scores_dir "${out}/scores" --split "${splits[@]}" \
  --systems "${row_list[@]}" --against full --exp_dirs "${row_list[@]/#/${expdir}/acoustic_adapt_}" --out "${out}/adaptations.json"

read -ra octave_list <<< "${octave_rows}"
for method in "${octave_list[@]}"; do
  recipe --stage 15 --stop_stage 15 --pretraining_tag speech --acoustic_tag "adapt_${method}" \
    --acoustic_config conf/tuning/adapt.yaml --pack_name "adapt_${method}"
  octave_prompts "${expdir}/packed/adapt_${method}.zip" "${out}/${method}/octave" "${valid_set}" "${octave_utts}"
done
utils/guard.py "${run_module[@]}" espnet2_ext.bin.report leakages --dir "${out}" --systems "${octave_list[@]}" --out "${out}/octave.json"
log "finished in ${SECONDS} s: ${out}/adaptations.json, ${out}/octave.json"
