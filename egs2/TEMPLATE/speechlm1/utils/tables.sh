#!/usr/bin/env bash
# Remakes the paper's tables on a corpus, after its run.sh: trains what is missing, decodes, renders
# every system with the same flow and vocoder, scores, and tests our system against the best other.
# Called by local/table1.sh and local/table2.sh. Can be run again: what is done is kept, and what was
# made from other inputs is made anew. Rows are those of conf/systems.yaml; most names here are those
# that the recipe prints.
# shellcheck disable=SC2034,SC2154
set -euo pipefail

table=                 # 1: against ESPnet's own models; 2: what each part of the recipe is worth
recipe_options=        # options of ./run.sh that the run was made with, e.g. "--size debug"
split=                 # evaluated; default: the first of the recipe's test sets
timings="label own"    # table 1: phone times of the label, and each system's own
baselines="score_regression xiaoicesing_mel visinger2 toksing xiaoicesing_discrete"  # NAME#SEED: trained with another seed
baseline_dirs=         # what they decoded, SYSTEM/{label,own}/SPLIT; default: ../svs1 and ../svs2 make it
baseline_f0="predictor score_regression=feats"  # F0 of a baseline's mel: predictor (from the mel) or feats (its own, if it has one)
baseline_options=      # more options of their run.sh
flow1_voc_args="--condition_conf pitch=none --model_conf space.f0_mode=absolute --model_conf own_pitch=null"
flow1_cd_args="--condition_conf pitch=none --model_conf space.output=codec --model_conf space.predict_f0=false --model_conf own_pitch=null"
world_utts=1000000     # utterances with WORLD metrics (default: all)
out=                   # default: exp/tables
# A corpus with other settings has them in conf/tables.conf.
help_message="Usage: local/table1.sh or local/table2.sh [options]
Options (--name value; a --config FILE first), with their defaults:"
if [ -f conf/tables.conf ]; then set -- --config conf/tables.conf "$@"; fi
. utils/after_run.sh
[[ ${table} == [12] ]] || fail "--table ${table}: expected 1 or 2"

read -ra baseline_list <<< "${baselines}"
read -ra baseline_words <<< "${baseline_options}"
score_words=(--f0_dtw true)
after_recipe
: "${split:=${test_sets%% *}}"
splits=("${split}")
for needed in "${lm_exp}" "${sung_dir}/${eval_name}" "${flow_exp}" "${vocoder_exp}" "${judges_dir}"; do
  [ -f "${needed}/.done" ] || fail "no ${needed}: run ./run.sh ${recipe_options} first"
done
hold_out "${expdir}/tables"

train_flow1() { # train_flow1 TAG ARGS
  log "training: flow_$1"
  recipe --stage 10 --stop_stage 10 --flow_tag "$1" --flow_args "$2"
}

# A table of conf/systems.yaml, in which ours is tested against the other systems: all but those whose
# whole names match NOT_OTHERS.
make_table() { # make_table TABLE DIR NOT_OTHERS TABLE_JSON OPTION...: options of bin.rows
  local others
  score_table "$2/systems${table}.tsv" "$2/scores" --table "$1" --set "${split}" --out "$2" "${@:5}"
  mapfile -t others < <(printf '%s\n' "${names[@]}" | grep -vxE -- "$3")
  utils/guard.py "${run_module[@]}" espnet2_ext.bin.report compare --scores_dir "$2/scores" --split "${split}" \
    --systems "${names[@]}" --ours lm+flow2+voc --baselines "${others[@]}" --out "$4"
}

home_of() { # home_of SYSTEM: the recipe that trains it
  local dir
  for dir in ../svs1 ../svs2; do
    if [ -f "${dir}/conf/train_$1.yaml" ]; then echo "${dir}"; return; fi
  done
  fail "$1: neither ../svs1 nor ../svs2 has conf/train_$1.yaml"
}
table1() {
  local name system seed home timing options decoded=() i
  for name in "${baseline_list[@]}"; do
    if [ -n "${baseline_dirs}" ]; then decoded+=("${baseline_dirs}/${name}"); continue; fi
    system=${name%%#*} seed=()
    [ "${system}" = "${name}" ] || seed=(--seed "${name#*#}")
    home=$(home_of "${system}") || exit
    decoded+=("${home}/exp/${system}${seed:+_seed_${seed[1]}}/decode")
    log "baseline: ${home}/run.sh --system ${system} ${seed[*]} ${baseline_options}"
    (cd -- "${home}" && exec "${OLDPWD}/utils/guard.py" ./run.sh --system "${system}" "${seed[@]}" "${baseline_words[@]}")
  done
  train_flow1 flow1_voc "${flow1_voc_args}"
  for timing in ${timings}; do
    options=(--baseline_f0 "${baseline_f0}")
    for i in "${!decoded[@]}"; do
      options+=(--baseline "${baseline_list[i]}" "${decoded[i]}/${timing}/${split}")
    done
    if [ "${timing}" = label ]; then
      make_table table1 "${out}" 'ground_truth|score_f0|lm[+].*' "${out}/table1.json" "${options[@]}"
    else
      make_table table1_own_durations "${out}/own" 'lm[+].*' "${out}/table1_own_durations.json" "${options[@]}"
    fi
  done
}
table2() {
  train_flow1 flow1_voc "${flow1_voc_args}"
  train_flow1 flow1_cd "${flow1_cd_args}"
  make_table table2 "${out}" 'ground_truth|codec_resynthesis|lm[+]flow2[+]voc' "${out}/table2.json"
}

"table${table}"
log "finished in ${SECONDS} s: ${out}/table${table}.json"
