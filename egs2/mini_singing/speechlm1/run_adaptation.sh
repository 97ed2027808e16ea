#!/usr/bin/env bash
# Does pretraining on speech help to sing? A TTS model of the embedded corpus' speech is adapted to its
# singing, in full, by LoRA and with a frozen backbone, and held against training from scratch.
#   ./run.sh && ./run_adaptation.sh       takes run.sh's tokens, flow, vocoder and judges
# Every step can be run again, and goes on where it was.
# shellcheck disable=SC2034,SC2154
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
log() { echo "$(date '+%Y-%m-%dT%H:%M:%S') $*"; }
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
. utils/steps.sh
. utils/rows.sh
. ./path.sh
. ./cmd.sh
device=cpu
use_launchers
read -ra row_list <<< "${rows}"
splits=(dev test test_singer)
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
more="--num_iters_per_epoch ${epoch} --max_epoch $((pretrain_steps / epoch))"
run "${speech[@]}" --stage 5 --stop_stage 8 --task codec_ssl_tts --tag tts --train_args "${more}"
if [[ ${rows} == *without_pitch* ]]; then
  run "${speech[@]}" --stage 8 --stop_stage 8 --task codec_ssl_tts --tag tts_nopitch \
    --train_args "${more} --model_conf pitch=false"
fi

# Every row has the grown vocabulary, and the same steps, rates and seed.
singing=(--train_set train --valid_set dev --test_sets "${splits[*]}" --prompt_sets speech
  --base_vocabulary exp/speechlm_tts)
run "${singing[@]}" --stage 5 --stop_stage 7
for row in "${row_list[@]}"; do
  name=${row%_tts_*}
  more="--max_epoch $((steps / epoch))"
  case ${row} in
    scratch) name=full ;;
    *_without_pitch) more+=" --pretrained exp/speechlm_tts_nopitch" ;;
    *) more+=" --pretrained exp/speechlm_tts" ;;
  esac
  run "${singing[@]}" --train_config "conf/tuning/adapt_${name}.yaml" --train_args "${more}" \
    --tag "adapt_${row}" --score_matters false --stage 8 --stop_stage 9
done

# No WORLD metrics: they take most of the time, and these rows differ in what the judges hear.
read_settings < <(run "${singing[@]}" --print_paths true)
wait "$!"
row="" systems_config=conf/adaptation.yaml world_utts=0 score_words=()
score_table "${out}/systems.tsv" "${out}/scores" --table adaptation --rows "${row_list[@]}" --set "${eval_name}"
utils/guard.py "${run_module[@]}" espnet2_ext.bin.report adaptation --scores_dir "${out}/scores" \
  --exp_dirs "${row_list[@]/#/exp/speechlm_adapt_}" --prefix speechlm_adapt_ --out_dir "${out}"
