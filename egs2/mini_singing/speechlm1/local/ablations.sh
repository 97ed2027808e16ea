#!/usr/bin/env bash
# What each option of decoding and of the flow is worth, after ./run.sh: docs/ablations.md.
#   local/ablations.sh                        the rows below on dev: exp/ablations/dev.{json,md}
#   local/ablations.sh --split test --rows "start kept"
#   local/ablations.sh --against unguided --rows "unguided flow_on_samples"    also trains a flow
# Can be run again: rows that are done are kept.
# shellcheck disable=SC2154
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

log() { echo "$(date '+%Y-%m-%dT%H:%M:%S') $*"; }
fail() { echo "ablations.sh: error: $*" >&2; exit 2; }
SECONDS=0
# shellcheck disable=SC2034
called_with=("$@") # named by locks

split=dev              # everything is tuned on it; test comes last
rows="start soft unguided no_guidance kept no_soft"
against=start          # the row that the others are held against
world_utts=16          # utterances with WORLD metrics
recipe_options=        # options of ./run.sh that the run was made with
out=                   # default: exp/ablations
help_message="Usage: local/ablations.sh [--split dev] [--rows \"start kept\"] [--against start]
  [--world_utts 16] [--recipe_options OPTIONS] [--out DIR]"
. utils/parse_options.sh
. utils/steps.sh
[ $# -eq 0 ] || fail "no positional arguments are taken: $*"
. ./path.sh
read -ra recipe_words <<< "${recipe_options}"
paths=$(./run.sh "${recipe_words[@]}" --parallel_stages false --print_paths true) || exit
eval "${paths}"
: "${out:=${expdir}/ablations}"
spoken="${tokens}/${split}"
real="${dumpdir}/raw/${split}"
sampled_exp="${expdir}/flow_on_samples"

# Decoding of a row, as YAML lines.
sampling=$'method: sampling\ntemperature: 0.3\ntop_k: 5\nbatch_size: 32\nseed: 0\nscore_weight: 0.5'
decoding_of() { # decoding_of ROW
  case $1 in
    start) printf '%s\n' "${sampling}" ;;
    soft) printf '%s\nsoft: true\n' "${sampling}" ;;
    unguided|flow_on_samples)
      printf 'method: greedy\nscore_weight: 0.7\nsoft: true\nmax_prompt_frames: 1000\n' ;;
    kept) cat -- "${inference_config}" ;;
    no_guidance)
      sed 's/^prompt_guidance:.*/prompt_guidance: 0.0/; s/^soft_temperature:.*/soft_temperature: 1.0/' "${inference_config}" ;;
    no_soft) sed 's/^soft:.*/soft: false/' "${inference_config}" ;;
    score_alone) sed 's/^score_weight:.*/score_weight: 0.9999/' "${inference_config}" ;;
    *) fail "no row '$1'" ;;
  esac
}
noise_of() { # noise_of ROW: the flow's noise_temperature
  case $1 in start|soft) echo 0.2 ;; *) echo 0.0 ;; esac
}
lm=("${run_module[@]}" espnet2_ext.bin.speechlm_inference --train_config "${lm_exp}/config.yaml"
  --model_file "${lm_exp}/${inference_model}")
soft=("${run_module[@]}" espnet2_ext.bin.soft_tokens --train_config "${lm_exp}/config.yaml"
  --model_file "${lm_exp}/${inference_model}" --tokenizer_dir "${tokenizer_dir}")
sing() { # sing SET CONFIG OUT: tokens of a set, and soft ones where the decoding says so
  local set="${tokens}/$1"
  "${decode_launch[@]}" "$3/logs/speechlm_inference.log" "${lm[@]}" --decode_config "$2" \
    --score_frames_scp "${set}/score_frames.scp" --prompt_scp "${set}/prompt.scp" --output_dir "$3"
  if [ "$(yaml_value "$2" soft)" = true ]; then
    "${decode_launch[@]}" "$3/logs/soft_tokens.log" "${soft[@]}" --decode_config "$2" \
      --token_dir "${set}" --codec_ssl "$3/codec_ssl.scp" --output_dir "$3"
  fi
}

# The flow goes on training for a third of its steps on what the LM sings of the training set, and
# sees the score's phones too.
train_on_samples() {
  local made config="${sampled_exp}/decode.yaml" data=() part set stream prompt
  made=$(digest samples "$(made_of "${lm_exp}" "${flow_exp}")" "$(contents conf/tuning/train_flow_on_samples.yaml)")
  todo "${sampled_exp}" "${made}" || return 0
  log "training: ${sampled_exp}"
  printf '%s\nsoft: true\n' "${sampling}" > "${config}"
  for part in train valid; do
    set=${train_set}
    [ "${part}" = train ] || set=${valid_set}
    sing "${set}" "${config}" "${sampled_exp}/${set}"
    for stream in codec_ssl score_frames mel f0; do
      data+=("--${part}_data_path_and_name_and_type" "${tokens}/${set}/${stream}.scp,${stream},kaldi_ark")
    done
    prompt="prompts.json,prompt,prompt_pool"  # others in each epoch
    [ "${part}" = train ] || prompt="prompt.scp,prompt,kaldi_ark"
    data+=("--${part}_data_path_and_name_and_type" "${tokens}/${set}/${prompt}")
    data+=("--${part}_data_path_and_name_and_type" "${sampled_exp}/${set}/codec_ssl.scp,sampled,kaldi_ark"
      "--${part}_data_path_and_name_and_type" "${sampled_exp}/${set}/soft.scp,soft,kaldi_ark")
  done
  "${train_launch[@]}" "${sampled_exp}/train.log" "${run_module[@]}" espnet2_ext.bin.flow_train \
    --ngpu 0 --resume true --config conf/tuning/train_flow_on_samples.yaml \
    --tokenizer_dir "${tokenizer_dir}" --output_dir "${sampled_exp}" "${data[@]}" \
    --init_param "${flow_exp}/${flow_model}:::networks.condition.phones,ema.condition/phones" \
    --train_shape_file "${tokens}/${train_set}/utt2num_frames" \
    --valid_shape_file "${tokens}/${valid_set}/utt2num_frames"
  mark "${sampled_exp}" "${made}"
}

render() { # render ROW: tokens, mel and wavs
  local to="${out}/${split}/$1" model="${flow_exp}" expected=() made
  if [ "$1" = flow_on_samples ]; then
    train_on_samples
    model="${sampled_exp}"
  fi
  made=$(digest ablation "$(made_of "${lm_exp}" "${model}" "${vocoder_exp}" "${spoken}")" \
    "$(decoding_of "$1")" "$(noise_of "$1")")
  todo "${to}" "${made}" || return 0
  log "row: $1"
  decoding_of "$1" > "${to}/decode_speechlm.yaml"
  sed "s/^noise_temperature:.*/noise_temperature: $(noise_of "$1")/" "${flow_inference_config}" > "${to}/decode_flow.yaml"
  rm -f -- "${to}/tokens/soft.scp"
  sing "${split}" "${to}/decode_speechlm.yaml" "${to}/tokens"
  [ ! -f "${to}/tokens/soft.scp" ] || expected=(--soft "${to}/tokens/soft.scp")
  "${decode_launch[@]}" "${to}/logs/flow_inference.log" "${run_module[@]}" espnet2_ext.bin.flow_inference \
    --train_config "${model}/config.yaml" --model_file "${model}/${flow_model}" \
    --inference_config "${to}/decode_flow.yaml" --token_dir "${spoken}" \
    --codec_ssl "${to}/tokens/codec_ssl.scp" "${expected[@]}" --output_dir "${to}/feats"
  "${decode_launch[@]}" "${to}/logs/vocoder_inference.log" "${run_module[@]}" espnet2_ext.bin.vocoder_inference \
    --model_dir "${vocoder_exp}" --model_file "${vocoder_model}" --mel_scp "${to}/feats/mel.scp" \
    --f0_scp "${to}/feats/f0.scp" --output_dir "${to}/wav"
  mark "${to}" "${made}"
}

share_data "${datadir}" "${dumpdir}"
in_place "${datadir}" "${dumpdir}" "${expdir}"
mkdir -p -- "$(dirname "${out}")"
lock "$(lock_of "${out}")"
read -ra row_list <<< "${rows}"
scores="${out}/scores"
mkdir -p -- "${out}"
table="${out}/${split}.tsv"
printf 'system\tsplit\tref_dir\twav_scp\ttiming\tf0_source\n' > "${table}"
for row in "${row_list[@]}"; do
  render "${row}"
  printf '%s\t%s\t%s\t%s\tlabel\tfeats\n' "${row}" "${split}" "${real}" "${out}/${split}/${row}/wav/wav.scp" >> "${table}"
done
log "scoring: ${rows}"
"${decode_launch[@]}" --num_threads "${nj}" "${out}/logs/score.log" "${run_module[@]}" espnet2_ext.bin.score \
  --table "${table}" --scores_dir "${scores}" --judges_dir "${judges_dir}" \
  --config "${scoring_config}" --nj "${nj}" --world_utts "${world_utts}"
utils/guard.py "${run_module[@]}" espnet2_ext.bin.ablation_table --scores_dir "${scores}" --split "${split}" \
  --systems "${row_list[@]}" --against "${against}" --out "${out}/${split}.json"
log "finished in ${SECONDS} s: ${out}/${split}.json"
