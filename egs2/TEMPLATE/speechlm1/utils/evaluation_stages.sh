# shellcheck shell=bash
# The stages that every system ends with: judges, scores, report, pack. Sourced by a template, whose
# options and paths these functions read, after data_stages.sh and rows.sh.
# shellcheck disable=SC2154

fit_judges() {
  local centroids=("${prompt_list[@]}" "${test_list[@]}") qualify=() other_voices=() known="${dumpdir}/raw/${test_list[0]}"
  # Judges of a system whose training set is small may learn from more recordings.
  [ -z "${judge_dir:-}" ] || other_voices=(--more_dirs "${judge_dir}")
  # A synthetic corpus knows its F0: there the F0 extractor has to show that it can judge.
  [ ! -f "${known}/true_f0.scp" ] || qualify=(--qualify_dir "${known}")
  step 14 "${judges_dir}" --from "${all_sets[@]/#/${dumpdir}/raw/}" ${judge_dir:+"${judge_dir}"} --files "${scoring_config}" \
    --with "${judge_args}" "${test_sets}" "${prompt_sets}" -- \
    on cuda fit/judges --data_dir "${dumpdir}/raw/${train_set}" --dev_dir "${dumpdir}/raw/${valid_set}" "${other_voices[@]}" \
    --out_dir "${judges_dir}" --config "${scoring_config}" \
    --centroid_dirs "${centroids[@]/#/${dumpdir}/raw/}" "${qualify[@]}" "${judge_words[@]}"
}

score_rows() { # score_rows N
  local table="${scores_dir}/systems.tsv" rendered
  # Scoring looks again where a measure may be new or changed, and measures what is.
  local measures=("${MAIN_ROOT}"/espnet2_ext/evaluation/measures.py "${MAIN_ROOT}"/espnet2_ext/metrics/*.py)
  begin "$1" "scoring" "${dumpdir}/raw/<set>, wavs of stage 13" \
    "${judges_dir}, ${scores_dir}/<row>/<set>: summary.json, ${expdir}/{results.json,RESULTS.md}" || return 0
  fit_judges
  lock "$(lock_of "${scores_dir}")"
  # One line per row and set, for one process that loads the judges once.
  mapfile -t rendered < <(rows table --set "${eval_name}" --splits "${test_list[@]}" --scores_dir "${scores_dir}" --systems "${table}")
  wait "$!"
  step 14s "${scores_dir}" --from "${judges_dir}" "${rendered[@]}" --files "${scoring_config}" "${table}" "${measures[@]}" \
    --with "${score_args}" -- \
    on decode --num_threads "${nj}" score --table "${table}" --scores_dir "${scores_dir}" \
    --judges_dir "${judges_dir}" --config "${scoring_config}" --nj "${nj}" "${score_words[@]}"
  on train report/results --scores_dir "${scores_dir}" --judges_dir "${judges_dir}" --out_dir "${expdir}"
  unlock "$(lock_of "${scores_dir}")"
  cat "${expdir}/RESULTS.md"
  end
}

report() { # report N TITLE ROLLED_SCORE_JSON MODEL_DIR...: with the trainings of these, and of all rows
  local number=$1 title=$2 rolled=$3 others
  shift 3
  begin "${number}" "report" "${expdir}/results.json, wavs and features of every row, training logs" \
    "${expdir}/report/index.html" || return 0
  mapfile -t others < <(rows models --scores_dir "${scores_dir}" --but "$@")
  wait "$!"
  step 15 "${expdir}/report" --from "${scores_dir}" "$@" --with "${report_utts}" -- \
    on train report/page --results "${expdir}/results.json" --table "${scores_dir}/systems.tsv" \
    --scores_dir "${scores_dir}" --judges_dir "${judges_dir}" --mel_config "${mel_config}" \
    --rolled_score "${rolled}" --exp_dirs "$@" "${others[@]}" --max_utts "${report_utts}" \
    --title "${title}" --out_dir "${expdir}/report"
  log "report: ${expdir}/report/index.html"
  end
}

# Packs a system's models, with the options of inference that FILEs are, and uploads the pack where
# --hf_repo says so.
pack_models() { # pack_models MODEL_DIR... -- FILE... -- OPTION...: of bin.pack
  local models=() files=() results=() timing=(${duration_inference_config:+"${duration_inference_config}"})
  local zip="${expdir}/packed/${pack_name}.zip"
  while [ "$1" != -- ]; do models+=("$1"); shift; done
  shift
  while [ "$1" != -- ]; do files+=("$1"); shift; done
  shift
  files+=("${timing[@]}")
  # A model may be packed before it is scored.
  [ ! -f "${expdir}/results.json" ] || { files+=("${expdir}/results.json"); results=(--results "${expdir}/results.json"); }
  step 16 "${expdir}/packed" --from "${models[@]}" --with "${pack_name}" --files "${files[@]}" -- \
    on train pack "$@" --vocoder_dir "${vocoder_exp}" --vocoder_file "${vocoder_model}" \
    --duration_dir "${duration_exp}" --duration_file "${duration_model}" ${timing:+--timing_config "${timing[0]}"} \
    --tokenizer_dir "${tokenizer_dir}" --tokens_dir "${tokens}/${train_set}" --data_dir "${dumpdir}/raw/${train_set}" \
    "${results[@]}" --name "${pack_name}" --corpus "${corpus_name}" --command "run.sh ${called_with[*]}" --out "${zip}"
  log "packed model: ${zip}"
  [ -z "${hf_repo}" ] || utils/guard.py "${run_module[@]}" espnet2_ext.bin.hub upload "${zip}" "${hf_repo}"
}
