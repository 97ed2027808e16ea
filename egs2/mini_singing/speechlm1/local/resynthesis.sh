#!/usr/bin/env bash
# What a vocoder and a mel-VAE leave of recordings, after ./run.sh: docs/mel_vae.md.
#   local/resynthesis.sh                      trains exp/mel_vae_default; exp/resynthesis/dev.{json,md}
# Can be run again: what is done is kept.
# shellcheck disable=SC2034,SC2154
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

split=dev              # resynthesised
vae_config=conf/train_mel_vae.yaml
mel_config=../../../conf/mel.yaml  # as of the run
ngpu=0
world_utts=16          # utterances with WORLD metrics
recipe_options=        # options of ./run.sh that the run was made with
out=                   # default: exp/resynthesis
. utils/after_run.sh
splits=("${split}") score_words=(--lsd true)
after_recipe
hold_out "${expdir}/resynthesis"

of_set() { # of_set train|valid SET: ESPnet's options for its mels
  echo "--$1_data_path_and_name_and_type ${tokens}/$2/mel.scp,mel,kaldi_ark --$1_shape_file ${tokens}/$2/utt2num_frames"
}
read -ra data <<< "$(of_set train "${train_set}") $(of_set valid "${valid_set}")"
log "training: mel_vae_default"
step --training "vae: in conf/systems.yaml" mel_vae "${expdir}/mel_vae_default" --from "${tokens}/${train_set}" "${tokens}/${valid_set}" \
  --files "${vae_config}" -- \
  on cuda train/mel_vae --resume true --config "${vae_config}" --mel_config "${mel_config}" --ngpu "${ngpu}" \
  --output_dir "${expdir}/mel_vae_default" "${data[@]}"

score_table "${out}/${split}.tsv" "${out}/scores" --table resynthesis --set "${split}" --out "${out}/${split}"
utils/guard.py "${run_module[@]}" espnet2_ext.bin.report compare --scores_dir "${out}/scores" --split "${split}" \
  --systems "${names[@]}" --ours vae_resynthesis --baselines vocoder_gt_mel --out "${out}/${split}.json"
log "finished in ${SECONDS} s: ${out}/${split}.json"
