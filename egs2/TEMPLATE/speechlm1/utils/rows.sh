# shellcheck shell=bash
# Rows of the result table, as conf/systems.yaml has them, become tokens, features and wavs. Sourced
# after steps.sh, by scripts that have the settings below as variables.
# shellcheck disable=SC2034,SC2154

row_settings=(expdir dumpdir tokens tokenizer_dir eval_name device inference_nj
  tag lm_exp semantic_exp acoustic_exp transcription_exp transcription_model
  inference_model inference_config inference_args inference_tag
  flow_exp flow_model flow_inference_config flow_inference_args flow_inference_tag
  mel_vae_exp described
  vocoder_exp vocoder_model vocoder_f0 duration_exp duration_model duration_inference_config systems_config row)

rows() { # rows plan|table|models OPTION...: what bin.rows says of the rows
  print_settings "${row_settings[@]}" | "${run_module[@]}" espnet2_ext.bin.rows "$@"
}

render() { # render OPTION...: runs the steps of `bin.rows plan`, calls of step and drain
  local words n
  mapfile -d '' -t words < <(rows plan "$@")
  wait "$!"
  while [ "${#words[@]}" -gt 0 ]; do
    n=${words[0]}
    "${words[@]:1:n}"
    words=("${words[@]:n + 1}")
  done
  drain
}

to_wavs() { # to_wavs CODEC_DIR ARGUMENT...: by the vocoder, unless the codec (-: none) made audio itself
  if [ -f "$1/wav.scp" ]; then
    cp -- "$1/wav.scp" "${step_dir}/wav.scp"
    return
  fi
  on infer --jobs "${inference_nj}" infer/vocoder "${@:2}"
}

collect() { # collect UTTS TABLE...: lines of tables, of the utterances that UTTS has, into one folder
  local table
  for table in "${@:2}"; do
    awk 'NR == FNR { wanted[$1]; next } $1 in wanted' "$1" "${table}" > "${step_dir}/${table##*/}"
  done
}

own_frames() { # own_frames PROMPT_SCP ARGUMENT...: of bin.data frames, and the prompts beside them
  on train data/frames "${@:2}"
  cp -- "$1" "${step_dir}/prompt.scp"
}

# What scripts that are called after a recipe's run share: its settings, with the models that it made.
recipe() { "${PWD}/utils/guard.py" ./run.sh "${recipe_words[@]}" --parallel_stages false "$@"; }
after_recipe() {
  read -ra recipe_words <<< "${recipe_options}"
  read_settings < <(recipe --print_paths true)
  wait "$!"
  row="" # the tables have rows of their own
  use_launchers
  share_data "${datadir}" "${dumpdir}"
  in_place "${datadir}" "${dumpdir}" "${expdir}"
}
score_table() { # score_table SYSTEMS_TSV SCORES_DIR OPTION...: renders rows of bin.rows, scores them on the splits
  render "${@:3}"
  rows table "${@:3}" --splits "${splits[@]}" --systems "$1" > /dev/null
  mapfile -t names < <(tail -n +2 "$1" | cut -f 1)
  log "scoring: ${names[*]}"
  on decode --num_threads "${nj}" --log "$2/logs/score.log" score --table "$1" --scores_dir "$2" \
    --judges_dir "${judges_dir}" --config "${scoring_config}" --nj "${nj}" --world_utts "${world_utts}" "${score_words[@]}"
}
octave_prompts() { # octave_prompts PACK DIR SET UTTS: SET sung by a pack, with prompts of training an octave apart
  step octave "$2" --files "$1" --with "$3" "$4" -- \
    on train --num_threads "${nj}" report/leakage --model "$1" --data_dir "${dumpdir}/raw/$3" \
    --prompt_dir "${dumpdir}/raw/${train_set}" --utts "$4" --nj "${nj}" --out_dir "$2"
}
