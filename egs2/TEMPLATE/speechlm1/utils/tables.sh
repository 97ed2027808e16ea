#!/usr/bin/env bash
# Remakes the paper's tables on a corpus, after its run.sh: trains what is missing, decodes, renders
# every system with the same flow and vocoder, scores, and tests our system against the best other.
# Called by local/table1.sh and local/table2.sh. Can be run again: what is done is kept, and what was
# made from other inputs is made anew. Most names here are those that the recipe prints.
# shellcheck disable=SC2154
set -euo pipefail

log() { echo "$(date '+%Y-%m-%dT%H:%M:%S') $*"; }
fail() { echo "tables.sh: error: $*" >&2; exit 2; }
SECONDS=0
called_with=("$@")

table=                 # 1: against ESPnet's own models; 2: what each part of the recipe is worth
recipe_options=        # options of ./run.sh that the run was made with, e.g. "--size debug"
split=                 # evaluated; default: the first of the recipe's test sets
timings="label own"    # table 1: phone times of the label, and each system's own
baselines="xiaoicesing_mel visinger2 toksing xiaoicesing_discrete"
baseline_dirs=         # what they decoded, SYSTEM/{label,own}/SPLIT; default: ../svs1 and ../svs2 make it
baseline_f0=predictor  # F0 of a baseline's mel: predictor (from the mel) or feats (its own, if it has one)
baseline_options=      # more options of their run.sh
flow1_voc_args="--condition_conf pitch=none --model_conf space.f0_mode=absolute"
flow1_cd_args="--condition_conf pitch=none --model_conf space.output=codec --model_conf space.predict_f0=false"
world_utts=1000000     # utterances with WORLD metrics (default: all)
out=                   # default: exp/tables
# A corpus with other settings has them in conf/tables.conf.
help_message="Usage: local/table1.sh or local/table2.sh [options]
Options (--name value; a --config FILE first), with their defaults:"
if [ -f conf/tables.conf ]; then set -- --config conf/tables.conf "$@"; fi
. utils/parse_options.sh
. utils/steps.sh
[ $# -eq 0 ] || fail "no positional arguments are taken: $*"
[[ ${table} == [12] ]] || fail "--table ${table}: expected 1 or 2"
. ./path.sh

read -ra recipe_words <<< "${recipe_options}"
read -ra baseline_list <<< "${baselines}"
read -ra baseline_words <<< "${baseline_options}"
# What is started here ends with this script, also when it is killed.
guard="${PWD}/utils/guard.py"
recipe() { "${guard}" ./run.sh "${recipe_words[@]}" --parallel_stages false "$@"; }

# What the recipe calls its models, and where they are.
paths=$(recipe --print_paths true) || exit
eval "${paths}"
: "${split:=${test_list[0]}}"
: "${out:=${expdir}/tables}"
flow2="${flow_exp}"
for needed in "${lm_exp}" "${decode_lm}" "${flow2}" "${vocoder_exp}" "${judges_dir}"; do
  [ -f "${needed}/.done" ] || fail "no ${needed}: run ./run.sh ${recipe_options} first"
done
spoken="${tokens}/${split}"     # tokens, scores and prompts of the split
real="${dumpdir}/raw/${split}"

# Each of these writes one folder, once; systems of both tables share them.
flow_render() { # flow_render FLOW_EXP TOKEN_DIR CODEC_SSL_SCP INPUT_DIGEST OUT: mel and F0, or codes
  local made soft=() expected
  expected="$(dirname "$3")/soft.scp" # beside an LM's tokens, where its decoding makes it
  [ ! -f "${expected}" ] || soft=(--soft "${expected}")
  made=$(digest flow "$(made_of "$1")" "$4" "$(contents "${flow_inference_config}" "$3" "${soft[@]:1}")" "${flow_inference_words[*]}" "${flow_model}")
  todo "$5" "${made}" || return 0
  log "flow: $5"
  "${decode_launch[@]}" "${inference_gpu[@]}" "$5/logs/flow_inference.log" \
    "${run_module[@]}" espnet2_ext.bin.flow_inference --train_config "$1/config.yaml" \
    --model_file "$1/${flow_model}" --inference_config "${flow_inference_config}" \
    --token_dir "$2" --codec_ssl "$3" "${soft[@]}" --tokenizer_dir "${tokenizer_dir}" --output_dir "$5" \
    --device "${device}" "${flow_inference_words[@]}"
  mark "$5" "${made}"
}
codec_render() { # codec_render OPTION SCP INPUT_DIGEST OUT: mel, or audio if the codec makes it
  local made
  made=$(digest codec "$(made_of "${tokenizer_dir}")" "$3" "$(contents "$2")")
  todo "$4" "${made}" || return 0
  log "codec: $4"
  "${decode_launch[@]}" "$4/logs/codec_decode.log" "${run_module[@]}" espnet2_ext.bin.codec_decode \
    --tokenizer_dir "${tokenizer_dir}" "$1" "$2" --output_dir "$4"
  mark "$4" "${made}"
}
vocoder_render() { # vocoder_render FEATURES_DIR F0_SOURCE SCORE_FRAMES_SCP: DIR/wav/wav.scp
  local made to="$1/wav_${vocoder_exp##*/}" step
  made=$(digest voc "$(made_of "${vocoder_exp}" "$1")" "$2" "${vocoder_model}")
  todo "${to}" "${made}" || return 0
  if [ ! -f "$1/mel.scp" ] && [ -f "$1/wav.scp" ]; then
    cp -- "$1/wav.scp" "${to}/wav.scp" # a system, or a codec, that makes audio itself
  else
    log "vocoder: ${to}"
    step=("${run_module[@]}" espnet2_ext.bin.vocoder_inference --model_dir "${vocoder_exp}"
      --model_file "${vocoder_model}" --mel_scp "$1/mel.scp" --f0_source "$2"
      --output_dir "${to}" --device "${device}")
    [ "$2" != feats ] || step+=(--f0_scp "$1/f0.scp")
    [ "$2" != score ] || step+=(--score_scp "$3")
    "${decode_launch[@]}" "${inference_gpu[@]}" "${to}/logs/vocoder_inference.log" "${step[@]}"
  fi
  mark "${to}" "${made}"
}
of_split() { # of_split SCP: its lines of this split
  awk 'NR == FNR { of_set[$1]; next } $1 in of_set' "${real}/wav.scp" "$1"
}

# One line per system, for one process that loads the judges once.
begin_systems() { # begin_systems FILE TIMING
  systems_tsv=$1
  systems_timing=$2
  system_names=()
  mkdir -p -- "$(dirname "$1")"
  printf 'system\tsplit\tref_dir\twav_scp\ttiming\tf0_source\n' > "$1"
}
system() { # system NAME WAV_SCP F0_SOURCE
  local scp
  scp="$(dirname "${systems_tsv}")/wav_scp/$1.${split}.scp"
  mkdir -p -- "$(dirname "${scp}")"
  of_split "$2" > "${scp}"
  [ -s "${scp}" ] || fail "$2: no wav of ${real}"
  printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "${split}" "${real}" "${scp}" "${systems_timing}" "$3" >> "${systems_tsv}"
  system_names+=("$1")
}
mel_system() { # mel_system NAME FEATURES_DIR F0_SOURCE SCORE_FRAMES_SCP
  vocoder_render "$2" "$3" "$4"
  system "$1" "$2/wav_${vocoder_exp##*/}/wav.scp" "$3"
}
score_systems() { # score_systems SCORES_DIR TABLE_JSON OURS OTHERS...: of the systems so far
  local scores=$1 json=$2 ours=$3
  shift 3
  log "scoring: ${system_names[*]}"
  "${decode_launch[@]}" --num_threads "${nj}" "${scores}/logs/${json##*/}.score.log" \
    "${run_module[@]}" espnet2_ext.bin.score --table "${systems_tsv}" --scores_dir "${scores}" \
    --judges_dir "${judges_dir}" --config "${scoring_config}" --nj "${nj}" \
    --world_utts "${world_utts}" --f0_dtw true
  "${guard}" "${run_module[@]}" espnet2_ext.bin.compare --scores_dir "${scores}" --split "${split}" \
    --systems "${system_names[@]}" --ours "${ours}" --baselines "$@" --out "${json}"
}

share_data "${datadir}" "${dumpdir}"
in_place "${datadir}" "${dumpdir}" "${expdir}"
mkdir -p -- "$(dirname "${out}")"
lock "$(lock_of "${out}")"

# The speech LM's tokens of this split.
lm_tokens="${out}/lm"
mkdir -p -- "${lm_tokens}"
of_split "${decode_lm}/codec_ssl.scp" > "${lm_tokens}/codec_ssl.scp"
lm_made=$(made_of "${decode_lm}")
rm -f -- "${lm_tokens}/soft.scp"
if [ "${soft_tokens}" = true ]; then
  lm_made+=$'\n'"$(made_of "${decode_soft}")"
  of_split "${decode_soft}/soft.scp" > "${lm_tokens}/soft.scp"
fi

train_flow1() { # train_flow1 TAG ARGS
  log "training: flow_$1"
  recipe --stage 10 --stop_stage 10 --flow_tag "$1" --flow_args "$2"
}
lm_flow_mel() { # lm_flow_mel NAME FLOW_EXP
  flow_render "$2" "${spoken}" "${lm_tokens}/codec_ssl.scp" "${lm_made}" "${out}/$1"
  mel_system "$1" "${out}/$1" "${vocoder_f0}" "${spoken}/score_frames.scp"
}

table2() {
  local name
  train_flow1 flow1_voc "${flow1_voc_args}"
  train_flow1 flow1_cd "${flow1_cd_args}"
  begin_systems "${out}/systems2.tsv" label
  system ground_truth "${real}/wav.scp" recording
  codec_render --codec_ssl "${spoken}/codec_ssl.scp" "$(made_of "${spoken}")" "${out}/codec_resynthesis"
  mel_system codec_resynthesis "${out}/codec_resynthesis" predictor -
  codec_render --codec_ssl "${lm_tokens}/codec_ssl.scp" "${lm_made}" "${out}/lm+cd"
  mel_system lm+cd "${out}/lm+cd" predictor -
  name=lm+flow1+cd
  flow_render "${expdir}/flow_flow1_cd" "${spoken}" "${lm_tokens}/codec_ssl.scp" "${lm_made}" "${out}/${name}.codes"
  codec_render --codes "${out}/${name}.codes/codes.scp" "$(made_of "${out}/${name}.codes")" "${out}/${name}"
  mel_system "${name}" "${out}/${name}" predictor -
  lm_flow_mel lm+flow1+voc "${expdir}/flow_flow1_voc"
  lm_flow_mel lm+flow2+voc "${flow2}"
  score_systems "${out}/scores" "${out}/table2.json" lm+flow2+voc lm+cd lm+flow1+cd lm+flow1+voc
}

# Phone times by our duration model, then tokens, mel and audio as with the label's.
lm_with_own_times() {
  local to="${out}/own/lm+flow2+voc" made
  made=$(digest own "$(made_of "${duration_exp}" "${lm_exp}" "${spoken}" "${tokenizer_dir}")" \
    "$(contents "${inference_config}")" "${inference_words[*]}" "${inference_model}" "${duration_model}")
  if todo "${to}/tokens" "${made}"; then
    log "durations and tokens: ${to}"
    "${decode_launch[@]}" "${to}/logs/durations.log" "${run_module[@]}" espnet2_ext.bin.duration_inference \
      --data_dir "${real}" --config "${duration_exp}/config.yaml" \
      --checkpoint "${duration_exp}/${duration_model}" --output_dir "${to}/data"
    "${guard}" "${run_module[@]}" espnet2_ext.bin.score_frames --data_dir "${to}/data" \
      --tokenizer_dir "${tokenizer_dir}" --output_dir "${to}/tokens"
    cp -- "${spoken}/prompt.scp" "${to}/tokens/prompt.scp"
    "${decode_launch[@]}" "${inference_gpu[@]}" "${to}/logs/speechlm_inference.log" \
      "${run_module[@]}" espnet2_ext.bin.speechlm_inference --train_config "${lm_exp}/config.yaml" \
      --model_file "${lm_exp}/${inference_model}" --score_frames_scp "${to}/tokens/score_frames.scp" \
      --prompt_scp "${to}/tokens/prompt.scp" --decode_config "${inference_config}" \
      --output_dir "${to}/tokens" --device "${device}" "${inference_words[@]}"
    rm -f -- "${to}/tokens/soft.scp"
    if [ "${soft_tokens}" = true ]; then
      "${decode_launch[@]}" "${inference_gpu[@]}" "${to}/logs/soft_tokens.log" \
        "${run_module[@]}" espnet2_ext.bin.soft_tokens --train_config "${lm_exp}/config.yaml" \
        --model_file "${lm_exp}/${inference_model}" --token_dir "${to}/tokens" \
        --codec_ssl "${to}/tokens/codec_ssl.scp" --tokenizer_dir "${tokenizer_dir}" \
        --decode_config "${inference_config}" --output_dir "${to}/tokens" --device "${device}"
    fi
    mark "${to}/tokens" "${made}"
  fi
  flow_render "${flow2}" "${to}/tokens" "${to}/tokens/codec_ssl.scp" "$(made_of "${to}/tokens")" "${to}/feats"
  mel_system lm+flow2+voc "${to}/feats" "${vocoder_f0}" "${to}/tokens/score_frames.scp"
}

home_of() { # home_of BASELINE: the recipe that trains it
  local dir
  for dir in ../svs1 ../svs2; do
    if [ -f "${dir}/conf/train_$1.yaml" ]; then echo "${dir}"; return; fi
  done
  fail "$1: neither ../svs1 nor ../svs2 has conf/train_$1.yaml"
}
decode_dir_of() { # decode_dir_of BASELINE
  local home
  if [ -n "${baseline_dirs}" ]; then echo "${baseline_dirs}/$1"; return; fi
  home=$(home_of "$1") && echo "${home}/exp/$1/decode"
}

# A baseline's decode directory holds tokens (rendered by our flow, and by the codec), or mel and F0
# (rendered by our vocoder), or wavs; with its own durations the frames of its own score as well.
baseline_systems() { # baseline_systems TIMING
  local name from to frames made source
  for name in "${baseline_list[@]}"; do
    from="$(decode_dir_of "${name}")/$1/${split}"
    to="${out}/$1/${name}"
    if [ -f "${from}/codec_ssl.scp" ]; then
      frames="${to}/tokens"
      mkdir -p -- "${frames}"
      cp -- "${spoken}/prompt.scp" "${frames}/prompt.scp"
      cp -- "${spoken}/score_frames.scp" "${frames}/score_frames.scp"
      [ ! -f "${from}/score_frames.scp" ] || cp -- "${from}/score_frames.scp" "${frames}/score_frames.scp"
      made=$(made_of "${from%/*/*}")
      flow_render "${flow2}" "${frames}" "${from}/codec_ssl.scp" "${made}" "${to}/feats"
      mel_system "${name}" "${to}/feats" "${vocoder_f0}" "${frames}/score_frames.scp"
      codec_render --codec_ssl "${from}/codec_ssl.scp" "${made}" "${to}/cd"
      mel_system "${name}+cd" "${to}/cd" predictor -
    elif [ -f "${from}/mel.scp" ] || [ -f "${from}/wav.scp" ]; then
      mkdir -p -- "${to}/feats"
      for frames in mel f0 wav; do
        if [ -f "${from}/${frames}.scp" ]; then cp -- "${from}/${frames}.scp" "${to}/feats/${frames}.scp"; fi
      done
      mark "${to}/feats" "$(digest "$(made_of "${from%/*/*}")" "$(contents "${to}/feats/"*.scp)")"
      source=${baseline_f0}
      if [ ! -f "${from}/mel.scp" ]; then source=model; fi
      mel_system "${name}" "${to}/feats" "${source}" -
    else
      fail "${from}: neither codec_ssl.scp, mel.scp nor wav.scp"
    fi
  done
}

table1() {
  local name timing others home
  for name in "${baseline_list[@]}"; do
    [ -z "${baseline_dirs}" ] || break
    home=$(home_of "${name}") || exit
    log "baseline: ${home}/run.sh --system ${name} ${baseline_options}"
    (cd -- "${home}" && exec "${guard}" ./run.sh --system "${name}" "${baseline_words[@]}")
  done
  train_flow1 flow1_voc "${flow1_voc_args}"
  for timing in ${timings}; do
    if [ "${timing}" = label ]; then
      begin_systems "${out}/systems1.tsv" label
      system ground_truth "${real}/wav.scp" recording
      baseline_systems label
      others=("${system_names[@]:1}")
      lm_flow_mel lm+flow1+voc "${expdir}/flow_flow1_voc"
      lm_flow_mel lm+flow2+voc "${flow2}"
      score_systems "${out}/scores" "${out}/table1.json" lm+flow2+voc "${others[@]}"
    else
      begin_systems "${out}/own/systems1.tsv" model
      baseline_systems own
      others=("${system_names[@]}")
      lm_with_own_times
      score_systems "${out}/own/scores" "${out}/table1_own_durations.json" lm+flow2+voc "${others[@]}"
    fi
  done
}

"table${table}"
log "finished in ${SECONDS} s: ${out}/table${table}.json"
