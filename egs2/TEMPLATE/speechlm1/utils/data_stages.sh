# shellcheck shell=bash
# The stages that every system begins with: data directories, audio, lengths, tokenizers, tokens, each
# a function of its number. Sourced by a template, whose options and paths these functions read. The
# first word of a step is part of its digest, so it stays, whatever the stage's number.
# shellcheck disable=SC2034,SC2154

# Sets are split once, into all_sets, test_list and prompt_list: each once, as what is tuned on may be
# evaluated too.
read_sets() {
  local set
  read -ra test_list <<< "${test_sets}"
  read -ra prompt_list <<< "${prompt_sets}"
  mapfile -t all_sets < <(printf '%s\n' "${train_set}" "${valid_set}" "${test_list[@]}" "${prompt_list[@]}" | awk '!seen[$0]++')
  for set in "${all_sets[@]}"; do # folders are named after them
    [[ ${set} != */* && ${set} != .* && ${set} != -* ]] || fail "${set} is no name of a set (in --train_set, --valid_set, --test_sets or --prompt_sets)"
  done
}

# Where the data of any system lie, and the device that inference runs on.
name_places() {
  tokenizer_dir="${expdir}/tokenizer"
  tokens="${dumpdir}/tokens"
  eval_name="eval_$(tr -cs 'A-Za-z0-9\n' '_' <<< "${test_sets}")"
  eval_tokens="${tokens}/${eval_name}"
  judges_dir="${expdir}/judges"
  scores_dir="${expdir}/scores"
  # Jobs of tokenizing, and threads of each. A job loads codec and SSL model: on GPUs there are as many
  # as load other models, and they share the processors.
  device=cpu tokenize_nj=${nj} tokenize_threads=1
  if "${gpu_inference}"; then
    device=cuda tokenize_nj=${inference_nj} tokenize_threads=$(((nj + inference_nj - 1) / inference_nj))
  fi
}

prepare_data() { # prepare_data N
  begin "$1" "data preparation" "what local/data.sh downloads or makes" \
    "${datadir}/{${train_set},${valid_set},$(tr ' ' ',' <<< "${test_sets} ${prompt_sets}")}: wav.scp text label score.scp utt2spk spk2utt utt2lang" || return 0
  export datadir PYTHON="${python}"
  step 1 "${datadir}" --files local/data.sh --with "${local_data_opts}" -- \
    utils/run.py "${datadir}/logs/data.log" local/data.sh --nj "${nj}" "${local_data_words[@]}"
  end
}

no_id_twice() { # no_id_twice DIR: of the test sets in it, whose tables are joined for evaluation
  local twice tables=("${test_list[@]/#/$1/}")
  twice=$(awk 'seen[$1]++ { print $1; exit }' "${tables[@]/%//wav.scp}")
  [ -z "${twice}" ] || fail "utterance ${twice} is in two of the sets ${test_sets}: they are evaluated together, so each id stands once (rename it, or give --test_sets one of them)"
}
format_and_validate() { # format_and_validate DATA_DIR FS
  on train --num_threads "${nj}" --log "${step_dir}/logs/format.log" \
    data/format --in_dir "$1" --out_dir "${step_dir}" --fs "$2" --nj "${nj}"
  on train --log "${step_dir}/logs/validate.log" data/validate --data_dir "${step_dir}"
}
format_audio() { # format_audio N
  local fs set
  fs=$(yaml_value "${mel_config}" fs)
  begin "$1" "format audio at ${fs} Hz and validate" "${datadir}/<set>" "${dumpdir}/raw/org/<set>" || return 0
  for set in "${all_sets[@]}"; do
    step 2 "${dumpdir}/raw/org/${set}" --from "${datadir}" --with "${fs}" -- \
      format_and_validate "${datadir}/${set}" "${fs}"
  done
  no_id_twice "${dumpdir}/raw/org"
  end
}

filter_lengths() { # filter_lengths N
  local set limits listed
  begin "$1" "length filter: ${min_wav_duration}-${max_wav_duration} s in training and validation" \
    "${dumpdir}/raw/org/<set>${exclude:+, ${exclude}}" "${dumpdir}/raw/<set>" || return 0
  for set in "${all_sets[@]}"; do
    limits=() listed=()
    if [[ ${set} == "${train_set}" || ${set} == "${valid_set}" ]]; then # what is evaluated is evaluated whole
      limits=(--min_sec "${min_wav_duration}" --max_sec "${max_wav_duration}")
      if [ -n "${exclude}" ]; then
        limits+=(--exclude "${exclude}")
        listed=("$(contents "${exclude}")")
      fi
    fi
    step --beside 3 "${dumpdir}/raw/${set}" --from "${dumpdir}/raw/org/${set}" --with "${limits[@]}" "${listed[@]}" -- \
      on train --log "${dumpdir}/raw/${set}/logs/filter.log" \
      data/filter --in_dir "${dumpdir}/raw/org/${set}" --out_dir "${dumpdir}/raw/${set}" "${limits[@]}"
  done
  drain
  end
}

fit_tokenizers() { # fit_tokenizers N
  begin "$1" "fit tokenizers" "${dumpdir}/raw/${train_set}, ${tokenizer_config}, ${mel_config}" \
    "${tokenizer_dir}: codec, SSL clusters, phones.txt, mel statistics" || return 0
  step 4 "${tokenizer_dir}" --from "${dumpdir}/raw/${train_set}" --files "${tokenizer_config}" "${mel_config}" -- \
    on train --num_threads "${nj}" "${inference_gpu[@]}" --log "${expdir}/logs/fit_tokenizers.log" \
    fit/tokenizers --config "${tokenizer_config}" --mel_config "${mel_config}" \
    --data_dir "${dumpdir}/raw/${train_set}" --out_dir "${tokenizer_dir}" --nj "${nj}" --device "${device}"
  end
}

# Prompts are drawn from the training and prompt sets; the latter need none themselves. Models are
# loaded once for all sets, whose utterances are dealt out to the jobs together: one command makes
# several folders.
tokenize_sets() {
  local set made in_dirs=() out_dirs=() prompted_dirs=() digests=() command i
  for set in "${all_sets[@]}"; do
    made=$(digest 5 "$(made_of "${dumpdir}/raw/${set}" "${tokenizer_dir}" "${dumpdir}/raw/${train_set}")" \
      "${prompt_sets}" "${prompt_seed}" "${device}" prompts.json)
    todo "${tokens}/${set}" "${made}" || continue
    in_dirs+=("${dumpdir}/raw/${set}")
    out_dirs+=("${tokens}/${set}")
    [[ " ${prompt_sets} " == *" ${set} "* ]] || prompted_dirs+=("${tokens}/${set}")
    digests+=("${made}")
  done
  [ "${#out_dirs[@]}" -gt 0 ] || return 0
  command=(tokenize --data_dir "${in_dirs[@]}" --tokenizer_dir "${tokenizer_dir}" --out_dir "${out_dirs[@]}" --device "${device}")
  on infer --log "${tokens}/logs/tokenize.log" --jobs "${tokenize_nj}" "${command[@]}" --nj "${tokenize_threads}"
  on train --log "${tokens}/logs/merge.log" "${command[@]}" --merge --prompted_dirs "${prompted_dirs[@]}" \
    --prompt_dirs "${tokens}/${train_set}" "${prompt_list[@]/#/${tokens}/}" --seed "${prompt_seed}"
  for i in "${!out_dirs[@]}"; do mark "${out_dirs[i]}" "${digests[i]}"; done
}
join_tables() { # join_tables TOKEN_DIR...
  local table
  for table in codec_ssl.scp score_frames.scp svs_frames.scp prompt.scp mel.scp f0.scp lyrics_ids.scp instruction.scp instruction_ids.scp utt2num_frames utt2spk; do
    rm -f -- "${step_dir}/${table}"
    [ -f "$1/${table}" ] || continue
    sort -- "${@/%//${table}}" > "${step_dir}/${table}"
  done
}
tokenize() { # tokenize N
  begin "$1" "tokenize" "${dumpdir}/raw/<set>, ${tokenizer_dir}" \
    "${tokens}/<set>: codec_ssl score_frames mel f0 prompt (ark, scp), prompts.json, svs_lb, data.json; ${eval_tokens}: the same of all test sets" || return 0
  no_id_twice "${dumpdir}/raw"
  tokenize_sets
  # All test sets as one, so that each model is loaded once for all of them.
  step 5e "${eval_tokens}" --from "${test_list[@]/#/${tokens}/}" --with "${test_sets}" -- \
    join_tables "${test_list[@]/#/${tokens}/}"
  end
}
