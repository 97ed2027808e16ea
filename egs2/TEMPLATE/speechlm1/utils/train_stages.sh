# shellcheck shell=bash
# What trainings over tokens read, and the stages of training that systems share. Sourced by a template,
# whose options and paths these functions read, after data_stages.sh.
# shellcheck disable=SC2034,SC2154

# ESPnet's options for token streams, into the array `data`. In training each epoch draws other prompts
# (a fixed one would name its target).
data_of() { # data_of STREAM...: of the training and validation sets
  local split set stream table kind
  data=()
  for split in train valid; do
    if [ "${split}" = train ]; then set=${train_set}; else set=${valid_set}; fi
    for stream in "$@"; do
      table="${tokens}/${set}/${stream}.scp" kind=kaldi_ark
      case ${split}.${stream} in
        train.prompt) table="${tokens}/${set}/prompts.json" kind=prompt_pool ;;
        *.sampled) table="${sung_dir}/${set}/codec_ssl.scp" ;;
        *.soft) table="${sung_dir}/${set}/soft/soft.scp" ;;
      esac
      data+=("--${split}_data_path_and_name_and_type" "${table},${stream},${kind}")
    done
  done
}
inputs_of_trainings() { # once there are tokens: into the arrays frames_of and trained_on
  frames_of=(--train_shape_file "${tokens}/${train_set}/utt2num_frames" --valid_shape_file "${tokens}/${valid_set}/utt2num_frames")
  trained_on=("${tokens}/${train_set}" "${tokens}/${valid_set}")
}

learn_vocoder() { # with the streams of the array data
  longer "${vocoder_config}" "${tokens}/${train_set}/utt2num_frames" "${tuned_on_frames}"
  step --training --vocoder_tag 12 "${vocoder_exp}" --from "${trained_on[@]}" --files "${vocoder_config}" \
    --with "${vocoder_args}" "${more_steps[@]}" -- \
    on cuda "${training[@]}" espnet2_ext.bin.train vocoder --resume true \
    --config "${vocoder_config}" "${more_steps[@]}" --mel_config "${mel_config}" --output_dir "${vocoder_exp}" "${data[@]}" \
    --train_data_path_and_name_and_type "${dumpdir}/raw/${train_set}/wav.scp,wav,sound" \
    --valid_data_path_and_name_and_type "${dumpdir}/raw/${valid_set}/wav.scp,wav,sound" \
    "${frames_of[@]}" "${vocoder_words[@]}"
}
train_vocoder() { # train_vocoder N
  begin "$1" "vocoder training" "${tokens}/{${train_set},${valid_set}}: mel f0, ${dumpdir}/raw/<set>/wav.scp, ${vocoder_config}" \
    "${vocoder_exp}: config.yaml, ${vocoder_model}" || return 0
  data_of mel f0
  learn_vocoder
  end
}

train_duration() { # the phone-duration model, for scores without phone times
  step --training --duration_tag 10d "${duration_exp}" --from "${dumpdir}/raw/${train_set}" "${dumpdir}/raw/${valid_set}" \
    --files "${duration_config}" --with "${duration_args}" -- \
    on cuda train/duration --ngpu 0 --resume true --config "${duration_config}" \
    --train_dir "${dumpdir}/raw/${train_set}" --valid_dir "${dumpdir}/raw/${valid_set}" \
    --output_dir "${duration_exp}" "${duration_words[@]}"
}
