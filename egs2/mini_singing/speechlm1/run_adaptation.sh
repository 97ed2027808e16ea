#!/usr/bin/env bash
# Does pretraining on speech help to sing? A TTS model of the embedded corpus' speech is adapted to its
# singing, in full, by LoRA and with a frozen backbone, and held against training from scratch.
#   ./run.sh && ./run_adaptation.sh       takes run.sh's tokens, flow, vocoder and judges
# Every step can be run again, and goes on where it was.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
fail() { echo "run_adaptation.sh: error: $*" >&2; exit 2; }
called_with=("$@")

# What is trained and compared; the TTS model of the last one is told no pitch.
rows="scratch full lora frozen full_tts_without_pitch"
pretrain_steps=400
steps=200                         # of each row
nj=2
python=python3
out=exp/adaptation                # table and scores
help_message="Usage: ./run_adaptation.sh [--rows \"scratch full lora frozen full_tts_without_pitch\"]
    [--pretrain_steps 400] [--steps 200] [--nj 2] [--python python3] [--out exp/adaptation]"
. utils/parse_options.sh
. utils/locks.sh
. ./path.sh
run_module=("${python}" -m)
read -ra row_list <<< "${rows}"
evaluated="dev test test_singer"
epoch=50  # steps, as in conf/tuning/adapt_*.yaml

# What is started here ends with this script, also when it is killed.
run() { utils/guard.py ./speechlm_svs.sh --nj "${nj}" --python "${python}" "$@"; }
for needed in exp/flow_default exp/vocoder_default exp/judges; do
  [ -f "${needed}/.done" ] || fail "no ${needed}: run ./run.sh first"
done
lock "$(lock_of "${out}")"

# Speech of the singers that training knows, with phone times, tokenized as the singing is.
speech=(--train_set speech_train --valid_set speech_dev --test_sets speech_dev)
PYTHON="${python}" utils/guard.py local/speech_data.sh --nj "${nj}"
run "${speech[@]}" --stage 2 --stop_stage 3
options="--num_iters_per_epoch ${epoch} --max_epoch $((pretrain_steps / epoch))"
run "${speech[@]}" --stage 5 --stop_stage 8 --task codec_ssl_tts --tag tts --train_args "${options}"
if [[ ${rows} == *without_pitch* ]]; then
  run "${speech[@]}" --stage 8 --stop_stage 8 --task codec_ssl_tts --tag tts_nopitch \
    --train_args "${options} --model_conf pitch=false"
fi

# Every row has the grown vocabulary, and the same steps, rates and seed.
singing=(--train_set train --valid_set dev --test_sets "${evaluated}" --prompt_sets speech
  --base_vocabulary exp/speechlm_tts)
run "${singing[@]}" --stage 5 --stop_stage 7
mkdir -p "${out}/wav_scp"
table="${out}/systems.tsv"
printf 'system\tsplit\tref_dir\twav_scp\ttiming\tf0_source\n' > "${table}.part"
for row in "${row_list[@]}"; do
  name=${row%_tts_*}
  options="--max_epoch $((steps / epoch))"
  case ${row} in
    scratch) name=full ;;
    *_without_pitch) options+=" --pretrained exp/speechlm_tts_nopitch" ;;
    *) options+=" --pretrained exp/speechlm_tts" ;;
  esac
  model=("${singing[@]}" --train_config "conf/tuning/adapt_${name}.yaml" --train_args "${options}"
    --tag "adapt_${row}" --score_matters false)
  run "${model[@]}" --stage 8 --stop_stage 8
  run "${model[@]}" --stage 9 --stop_stage 13 --skip_train true
  wavs="exp/flow_default/decode_default/lm_adapt_${row}_default/eval_dev_test_test_singer/wav_vocoder_default/wav.scp"
  for set in ${evaluated}; do
    scp="${out}/wav_scp/${row}.${set}.scp"
    awk 'NR == FNR { of_set[$1]; next } $1 in of_set' "dump/raw/${set}/wav.scp" "${wavs}" > "${scp}"
    printf '%s\t%s\tdump/raw/%s\t%s\tlabel\tfeats\n' "${row}" "${set}" "${set}" "${scp}" >> "${table}.part"
  done
done
mv "${table}.part" "${table}"

# No WORLD metrics: they take most of the time, and these rows differ in what the judges hear.
utils/guard.py "${run_module[@]}" espnet2_ext.bin.score --table "${table}" --scores_dir "${out}/scores" \
  --judges_dir exp/judges --config ../../../conf/scoring.yaml --nj "${nj}" --world_utts 0
utils/guard.py "${run_module[@]}" espnet2_ext.bin.adaptation_table --scores_dir "${out}/scores" \
  --exp_dirs "${row_list[@]/#/exp/speechlm_adapt_}" --prefix speechlm_adapt_ --out_dir "${out}"
