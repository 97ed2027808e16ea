#!/usr/bin/env bash
# One SVS model, ESPnet's own or ours, on the data and tokens of the corpus' speechlm1 recipe: trained by
# ESPnet's command lines, and sung in the form that our flow, vocoder and codec take. Run by a
# corpus' run.sh, in the corpus' directory; every stage can be run again (docs/baselines.md).
set -euo pipefail

log() { echo "$(date '+%Y-%m-%dT%H:%M:%S') (${system}) $*"; }
fail() { echo "svs.sh: error: $*" >&2; exit 2; }
SECONDS=0
# shellcheck disable=SC2034
called_with=("$@") # named by locks

stage=1                # first stage to run
stop_stage=4           # last stage to run
system=                # name of the system: names conf/train_${system}.yaml and exp/${system}
train_config=          # default: conf/train_${system}.yaml
train_args=            # more options of svs_train or gan_svs_train
tuned_on_frames=0      # token frames for which the YAML's number of steps is right; 0: for any corpus
seed=                  # of the training, in place of the YAML's; names exp/${system}_seed_${seed}
tag=                   # names exp/${system}_${tag} in place of exp/${system}
inference_model=       # default: valid.loss.best.pth; of a GAN the last epoch's, latest.pth
inference_args=        # more options of svs_inference
speechlm_dir=../speechlm1  # recipe whose data, tokens and tokenizer are used
source_dump=           # default: ${speechlm_dir}/dump
tokenizer_dir=         # default: ${speechlm_dir}/exp/tokenizer
train_set=train
valid_set=dev
test_sets="test"       # sets with singers that training does not have are left out
mel_config=            # default: the toolkit's conf/mel.yaml
dumpdir=dump
expdir=exp
ngpu=0                 # GPUs of the training
gpu_inference=false
nj=1
python=python3

help_message="Usage: ./run.sh [options of svs.sh]
Stages: 1 data, 2 phone list and statistics, 3 training, 4 inference.
Options (--name value), with their defaults:"

. utils/parse_options.sh
. utils/steps.sh
[ $# -eq 0 ] || fail "no positional arguments are taken: $*"
. ./path.sh
. ./cmd.sh

[ -n "${system}" ] || fail "--system is needed"
: "${train_config:=conf/train_${system}.yaml}"
: "${source_dump:=${speechlm_dir}/dump}"
: "${tokenizer_dir:=${speechlm_dir}/exp/tokenizer}"
: "${mel_config:=${MAIN_ROOT}/conf/mel.yaml}"
[ -f "${train_config}" ] || fail "${train_config}: no such file"
[ -f "${tokenizer_dir}/phones.txt" ] || fail "${tokenizer_dir}/phones.txt: no such file (made by stage 4 of ${speechlm_dir}/run.sh)"
[ -f "${source_dump}/tokens/${train_set}/utt2num_frames" ] || fail "${source_dump}/tokens/${train_set}: no tokens (made by stage 5 of ${speechlm_dir}/run.sh)"
# What utils/steps.sh asks: all stages here are of one kind.
# shellcheck disable=SC2034
skip_data_prep=false branch_stages=" 1 2 3 4 "
[[ ${seed} =~ ^[0-9]*$ ]] || fail "--seed ${seed}: expected a whole number"
: "${tag:=${seed:+seed_${seed}}}"
read -ra train_words <<< "${seed:+--seed ${seed} }${train_args}"
read -ra inference_words <<< "${inference_args}"
read -ra test_list <<< "${test_sets}"
mapfile -t all_sets < <(printf '%s\n' "${train_set}" "${valid_set}" "${test_list[@]}" | awk '!seen[$0]++')
device=cpu
if "${gpu_inference}"; then device=cuda; fi
use_launchers

# Token models run on the clock of the tokens, the others on the mel's.
fs=$(yaml_value "${mel_config}" fs)
hop=$(yaml_value "${mel_config}" hop_length)
kind=$(yaml_value "${train_config}" svs)
trainer=espnet2.bin.svs_train
case ${kind} in
  toksing) hop=$((fs / $(yaml_value "${mel_config}" fps))); : "${inference_model:=valid.loss.best.pth}" ;;
  xiaoice | xiaoice_voiced | score_regression) : "${inference_model:=valid.loss.best.pth}" ;;
  vits) trainer=espnet2.bin.gan_svs_train; : "${inference_model:=latest.pth}" ;;
  *) fail "${train_config}: svs: ${kind} (expected toksing, xiaoice, xiaoice_voiced, score_regression or vits)" ;;
esac
fps=$((fs / hop))
data="${dumpdir}/svs_${fps}"
stats="${expdir}/stats_${fps}"
token_list="${data}/token_list"
svs_exp="${expdir}/${system}${tag:+_${tag}}"

share_data "${source_dump}"
in_place "${speechlm_dir}/data" "${source_dump}" "$(dirname -- "${tokenizer_dir}")"
# The locks of what is made here are those of its folders.
# shellcheck disable=SC2034
data_locks=()
make_dir "${dumpdir}"
make_dir "${expdir}"
in_place "${dumpdir}" "${expdir}"

make_data() {
  rm -rf -- "${all_sets[@]/#/${data}/}"
  on train data/svs --data_dir "${data_dirs[@]}" --token_dir "${token_dirs[@]}" --root "${speechlm_dir}" \
    --out_dir "${all_sets[@]/#/${data}/}" --fps "${fps}" --mel_config "${mel_config}" \
    --train_utt2spk "${source_dump}/raw/${train_set}/utt2spk"
  { printf '<blank>\n<unk>\n'; cat "${tokenizer_dir}/phones.txt"; echo '<sos/eos>'; } > "${token_list}"
}
if begin 1 "data" "${source_dump}/{raw,tokens}/<set>" "${data}/<set>: label (on the grid of ${fps} frames a second) score.scp wav.scp text utt2sid pitch.scp pitch_hz.scp discrete_token"; then
  data_dirs=("${all_sets[@]/#/${source_dump}/raw/}")
  token_dirs=("${all_sets[@]/#/${source_dump}/tokens/}")
  step 1 "${data}" --from "${data_dirs[@]}" "${token_dirs[@]}" --with "${all_sets[*]}" --files "${mel_config}" -- make_data
  end
fi

# Options of every call of ESPnet. The pitch extractor is only declared: ESPnet takes a given
# pitch when there is one, and ours needs no extraction at every step.
options=(--config "${train_config}" --token_list "${token_list}" --g2p none --cleaner none
  --fs "${fs}" --ngpu "${ngpu}" --num_workers 0 --feats_extract recipe_log_mel
  --pitch_extract_conf "fs=${fs}" --pitch_extract_conf "hop_length=${hop}")
while IFS=: read -r key value; do
  [ "${key}" = hop_length ] && value=${hop}
  options+=(--feats_extract_conf "${key}=${value%%#*}")
done < <(sed -n 's/^\([a-z_]*\):[[:space:]]*\([^#[:space:]]*\).*/\1:\2/p' "${mel_config}")
singers=0
[ ! -f "${data}/${train_set}/utt2sid" ] || singers=$(cut -d ' ' -f 2 "${data}/${train_set}/utt2sid" | sort -u | wc -l)
case ${kind} in
  vits) options+=(--svs_conf "generator_params.spks=$((singers + 1))" --svs_conf "sampling_rate=${fs}") ;;
  *) options+=(--svs_conf "spks=$((singers + 1))") ;;
esac
pitch="pitch.scp"
if [ "${kind}" = vits ]; then pitch="pitch_hz.scp"; fi
for split in train valid; do
  set="${train_set}"
  [ "${split}" = train ] || set="${valid_set}"
  streams=("${data}/${set}/text,text,text" "${data}/${set}/wav.scp,singing,sound"
    "${data}/${set}/label,label,duration" "${data}/${set}/score.scp,score,score"
    "${data}/${set}/utt2sid,sids,text_int" "${data}/${set}/${pitch},pitch,kaldi_ark")
  if [ "${kind}" = toksing ]; then streams+=("${data}/${set}/discrete_token,discrete_token,text_int")
  else streams+=("${source_dump}/tokens/${set}/mel.scp,feats,kaldi_ark"); fi
  for stream in "${streams[@]}"; do
    options+=("--${split}_data_path_and_name_and_type" "${stream}")
  done
  options+=("--${split}_shape_file" "${source_dump}/tokens/${set}/utt2num_frames")
done
options+=("${train_words[@]}")
normalized=false
case ${kind} in xiaoice | xiaoice_voiced | score_regression) normalized=true ;; esac

if begin 2 "statistics of the mel" "${data}/{${train_set},${valid_set}}" "${stats}/train/feats_stats.npz, where the model normalizes"; then
  if "${normalized}"; then
    step 2 "${stats}" --from "${data}" -- \
      on train --log "${stats}/logs/stats.log" espnet "${trainer}" --collect_stats true \
      --output_dir "${stats}" "${options[@]}" --ngpu 0 --normalize none --pitch_extract none
  fi
  end
fi
if "${normalized}"; then options+=(--normalize_conf "stats_file=${stats}/train/feats_stats.npz"); fi

if begin 3 "training" "${data}/{${train_set},${valid_set}}, ${train_config}" "${svs_exp}: config.yaml, ${inference_model}, train.log, training.json"; then
  longer "${train_config}" "${source_dump}/tokens/${train_set}/utt2num_frames" "${tuned_on_frames}"
  resources=()
  if [ "${ngpu}" -gt 0 ]; then resources=(--gpu "${ngpu}"); fi
  step --training --tag 3 "${svs_exp}" --from "${data}" --files "${train_config}" --with "${train_words[*]}" "${more_steps[@]}" -- \
    on cuda "${resources[@]}" espnet "${trainer}" --resume true \
    --output_dir "${svs_exp}" "${options[@]}" "${more_steps[@]}" "${train_words[@]}"
  end
fi

out="${svs_exp}/decode"
if begin 4 "inference" "${svs_exp}/${inference_model}, ${data}/{${test_sets// /,}}" "${out}/{label,own}/<set>: codec_ssl; mel and f0; or wav; with score_frames and prompt"; then
  known=()
  for set in "${test_list[@]}"; do
    if [ -f "${data}/${set}/utt2sid" ]; then known+=("${set}")
    else log "stage 4: ${set} has singers that training does not: left out"; fi
  done
  if [ "${#known[@]}" -gt 0 ]; then
    step 4 "${out}" --from "${svs_exp}" --with "${inference_model}" "${inference_args}" "${known[*]}" -- \
      on infer infer/svs --train_config "${svs_exp}/config.yaml" \
      --model_file "${svs_exp}/${inference_model}" --tokenizer_dir "${tokenizer_dir}" \
      --data_dir "${known[@]/#/${data}/}" --token_dir "${known[@]/#/${source_dump}/tokens/}" \
      --output_dir "${out}" --device "${device}" "${inference_words[@]}"
  fi
  end
fi

log "finished in ${SECONDS} s"
