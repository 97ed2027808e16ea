#!/usr/bin/env bash
# Singing voice synthesis with a speech language model, stage by stage (the SLM-SVS system).
# Run by a corpus' run.sh, in the corpus' directory. Every stage says what it reads and writes, can
# be run again, resumes when it was killed, and says so when it has nothing to do.
# shellcheck disable=SC2034,SC2154  # options and paths are what the sourced files read
set -euo pipefail

log() { echo "$(date '+%Y-%m-%dT%H:%M:%S') (${branch:-main}) $*"; }
fail() { echo "speechlm_svs.sh: error: $*" >&2; exit 2; }
SECONDS=0
called_with=("$@")

# General
stage=1                # first stage to run
stop_stage=16          # last stage to run
skip_data_prep=false   # skip stages 1-6
skip_train=false       # skip stages 7, 8, 10, 12
skip_eval=false        # skip stages 9, 11, 13, 14, 15
skip_packing=false     # skip stage 16
ngpu=0                 # GPUs per node; 0: train on the CPU
num_nodes=1            # nodes of each training (stages 8, 10, 12)
hostfile=              # those nodes, by ssh: lines of "host slots=N"
train_procs=1          # processes of each training on each node where ngpu is 0
nj=2                   # parallel jobs of data preparation and evaluation
inference_nj=1         # shards of each model's inference (rows of the table run side by side too);
                       # with --gpu_inference also of tokenizing: give it the number of GPUs
gpu_inference=false    # infer on a GPU
parallel_stages=false  # stages 7-9 and the judges beside 10 and 12, which do not need each other
datadir=data           # data directories
dumpdir=dump           # features and tokens
expdir=exp             # models and results
python=python3         # interpreter

# Data (stages 1-3)
local_data_opts=       # options of local/data.sh
train_set=train        # names of data directories in data/
valid_set=dev
test_sets="test"       # evaluated; everything is tuned on valid_set alone
prompt_sets=           # more recordings of the singers, for prompts alone (may be speech)
mel_config=            # sampling rate, frame rate, mel; default: the toolkit's conf/mel.yaml
min_wav_duration=0.5   # seconds; shorter and longer utterances of train and dev are left out
max_wav_duration=30
exclude=               # file of utterance ids to leave out of train and dev, as bin.lint writes it

# Tokens (stages 4-6)
tokenizer_config=conf/tokenizer.yaml
prompt_seed=0          # of the draw of each utterance's prompt
base_vocabulary=       # to extend: a vocabulary's or pretrained LM's folder, or owner/name on the hub
vocabulary_args=       # more options of build_vocabulary: --reinit_audio, --offline

tuned_on_frames=0      # token frames for which the YAMLs' numbers of steps are right; 0: for any corpus

# Speech LM (stages 7-9)
task=svs               # or codec_ssl_tts: pretraining on speech (train_set is speech then)
train_config=conf/train_speechlm.yaml
train_args=            # more options of speechlm_train, e.g. "--max_epoch 3"
tag=                   # names exp/speechlm_${tag}; default: from train_config and train_args
deepspeed_config=      # default: the toolkit's conf/ds_zero2.json
inference_config=conf/decode_speechlm.yaml
inference_args=        # more options of speechlm_inference
inference_tag=         # default: from inference_config and inference_args
inference_model=valid.loss.best.pth
score_matters=true     # stop when the LM fails the rolled-score test: when it ignores its score

# Flow and phone durations (stages 10-11)
flow_config=conf/train_flow.yaml
flow_args=
flow_tag=
flow_inference_config=conf/decode_flow.yaml
flow_inference_args=
flow_inference_tag=
flow_model=valid.loss.best.pth
flow_on_samples=false  # stage 10 first has the speech LM sing train and valid: the flow learns from that
duration_config=conf/train_duration.yaml
duration_args=
duration_tag=
duration_model=valid.loss.best.pth
duration_inference_config=   # of what has no label; default: the median performance

# Vocoder (stages 12-13)
vocoder_config=conf/train_vocoder.yaml
vocoder_args=
vocoder_tag=
vocoder_model=valid.loss.best.pth
vocoder_f0=feats       # of generated features: feats (generated with them), predictor or score

# Scores, report, pack (stages 14-16)
scoring_config=        # default: the toolkit's conf/scoring.yaml
judge_args=            # more options of fit_judges
score_args=            # more options of score
systems_config=        # rows of the table; default: conf/systems.yaml, else the template's
row=                   # adds one row of this name, by this run's models, beside those that are there
report_utts=6          # utterances of each set in the report
corpus_name=           # corpus of origin, for the pack; default: the recipe's folder
pack_name=             # default: corpus name and tag, or row
hf_repo=               # owner/name on the Hugging Face hub: stage 16 uploads the pack there
branch=                # used by --parallel_stages itself
print_paths=false      # only print, for other scripts, what is called how and where it lies: NAME=VALUE

help_message="Usage: ./run.sh [options of speechlm_svs.sh]
Stages: 1 data preparation, 2 format audio, 3 length filter, 4 fit tokenizers, 5 tokenize,
6 vocabulary, 7 statistics, 8 speech-LM training, 9 speech-LM inference, 10 flow training,
11 flow inference, 12 vocoder training, 13 vocoder inference, 14 scoring, 15 report, 16 pack.
Options (--name value), with their defaults:"

. utils/parse_options.sh
. utils/steps.sh
. utils/data_stages.sh
. utils/train_stages.sh
. utils/rows.sh
. utils/evaluation_stages.sh
[ $# -eq 0 ] || fail "no positional arguments are taken: $*"
. ./path.sh
. ./cmd.sh

: "${mel_config:=${MAIN_ROOT}/conf/mel.yaml}"
: "${deepspeed_config:=${MAIN_ROOT}/conf/ds_zero2.json}"
: "${scoring_config:=${MAIN_ROOT}/conf/scoring.yaml}"
: "${systems_config:=$([ ! -f conf/systems.yaml ] || echo conf/systems.yaml)}"
: "${systems_config:=utils/../conf/systems.yaml}"
: "${corpus_name:=$(basename "$(dirname "${PWD}")")}"
for value in "${stage}" "${stop_stage}" "${ngpu}" "${tuned_on_frames}"; do
  [[ ${value} =~ ^[0-9]+$ ]] || fail "${value} is no number (in --stage, --stop_stage, --ngpu or --tuned_on_frames)"
done
for value in "${num_nodes}" "${train_procs}" "${nj}" "${inference_nj}"; do
  [[ ${value} =~ ^[1-9][0-9]*$ ]] || fail "${value} is no number from 1 (in --num_nodes, --train_procs, --nj or --inference_nj)"
done

# Options that hold several words are split here, once, and never evaluated.
for option in local_data_opts vocabulary_args train_args flow_args duration_args vocoder_args judge_args score_args; do
  read -ra "${option%_*}_words" <<< "${!option}"
done
read_sets

: "${tag:=$(tag_of speechlm "${train_config}" "${train_args}")}"
: "${inference_tag:=$(tag_of speechlm "${inference_config}" "${inference_args}")}"
on_samples=()
if "${flow_on_samples}"; then on_samples=(sampled); fi
: "${flow_tag:=$(tag_of flow "${flow_config}" "${flow_args}" "${on_samples[@]}")}"
: "${flow_inference_tag:=$(tag_of flow "${flow_inference_config}" "${flow_inference_args}")}"
: "${duration_tag:=$(tag_of duration "${duration_config}" "${duration_args}")}"
: "${vocoder_tag:=$(tag_of vocoder "${vocoder_config}" "${vocoder_args}")}"
: "${pack_name:=${corpus_name}_${row:-${tag}}}"

name_places
# Tokens of another task, or an extended list, are a vocabulary of their own.
of_task=${task#svs}${base_vocabulary:+_grown}
of_task=${of_task:+_${of_task#_}}
vocabulary="${tokens}/vocabulary${of_task}"
lm_stats="${expdir}/speechlm_stats${of_task}"
lm_exp="${expdir}/speechlm_${tag}"
flow_exp="${expdir}/flow_${flow_tag}"
duration_exp="${expdir}/duration_${duration_tag}"
vocoder_exp="${expdir}/vocoder_${vocoder_tag}"
sung_dir="${lm_exp}/decode_${inference_tag}" # what the speech LM sings, by sets
# The flow gets the embeddings that the LM expected where ${inference_config} says so.
soft_tokens=$(yaml_value "${inference_config}" soft 2>/dev/null || true)
use_launchers
# How trainings start: what they ask of the launcher, and what starts their processes.
training_resources=()
training=(launch --ngpu "${ngpu}" --num_nodes "${num_nodes}")
if [ "${ngpu}" -gt 0 ]; then
  # With a hostfile the GPUs are those of its machines.
  [ -n "${hostfile}" ] || training_resources=(--gpu "${ngpu}")
else
  training+=(--processes "${train_procs}")
  [ "${train_procs}" -eq 1 ] || training_resources=(--num_threads "${train_procs}")
fi
if [ -n "${hostfile}" ]; then training+=(--hostfile "${hostfile}")
elif [ "${num_nodes}" -gt 1 ]; then training_resources+=(--num_nodes "${num_nodes}"); fi
training=("${training_resources[@]}" "${training[@]}")

if "${print_paths}"; then
  print_settings "${row_settings[@]}" eval_tokens judges_dir sung_dir soft_tokens datadir nj tokenize_nj tokenize_threads \
    scoring_config train_set valid_set test_sets python pack_name
  exit 0
fi

# A flow that learns from what the speech LM sings waits for it.
lm_stages="7 8 9 judges" acoustic_stages="10 12"
if "${flow_on_samples}"; then lm_stages="7 8 9 10" acoustic_stages="12 judges"; fi
branch_stages=" 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 "
in_branch lm "${lm_stages}" acoustic "${acoustic_stages}"

# What the stages to run read is there before the first of them starts.
need_files 4 "${tokenizer_config}" ${duration_inference_config:+10 "${duration_inference_config}"} 2 "${mel_config}" 3 "${exclude:-${mel_config}}" \
  7 "${train_config}" 8 "${train_config}" 8 "${deepspeed_config}" 9 "${inference_config}" 10 "${flow_config}" \
  10 "${duration_config}" 11 "${flow_inference_config}" 12 "${vocoder_config}" 14 "${scoring_config}"

# A speech LM that chooses its own length needs a policy where the score's length is needed.
if [ "$(yaml_value "${inference_config}" fixed_length 2>/dev/null)" = false ]; then
  joining=()
  ! runs 11 || joining+=("${flow_inference_config}")
  if runs 10 && "${flow_on_samples}" && [[ ${flow_args} != *length_policy* ]]; then joining+=("${flow_config}"); fi
  for config in "${joining[@]}"; do
    case $(yaml_value "${config}" length_policy) in
      pad|trim) ;;
      *) fail "${config}: length_policy: exact (expected pad or trim, since ${inference_config} has fixed_length: false)" ;;
    esac
  done
fi

share_data "${datadir}" "${dumpdir}"
make_dir "${expdir}"
[ -n "${branch}" ] || in_place "${datadir}" "${dumpdir}" "${expdir}"
# A mistake in the rows is told before any training.
if [ -z "${branch}" ] && [ "${stop_stage}" -ge 9 ]; then rows plan --set "${eval_name}" > /dev/null; fi
prepare_data 1
format_audio 2
filter_lengths 3
fit_tokenizers 4
tokenize 5

if begin 6 "vocabulary" "${tokenizer_dir}, ${tokens}/<set>/data.json" "${vocabulary}: token_list.json token_bias.json"; then
  base=()
  [ -z "${base_vocabulary}" ] || base=(--base_dir "${base_vocabulary}")
  step 6 "${vocabulary}" --from "${tokenizer_dir}" "${tokens}/${train_set}" "${tokens}/${valid_set}" \
    --with "${base_vocabulary}" "${vocabulary_args}" -- \
    on train fit/vocabulary --tokenizer_dir "${tokenizer_dir}" --out_dir "${vocabulary}" --tasks "${task}" \
    "${base[@]}" "${vocabulary_words[@]}" --data_json "${tokens}/${train_set}/data.json" "${tokens}/${valid_set}/data.json"
  end
fi

share_again

# Stages 7-9 and 10-12 need each other no more than their inputs' tokens.
if branches 10 12; then
  log "stages ${lm_stages} (lm) and ${acoustic_stages} (acoustic) side by side"
  branch_out lm acoustic
fi

inputs_of_trainings

# Where svs_lb rounds phone by phone, the LM's prefix has frames of its own.
if [ -f "${tokens}/${train_set}/svs_frames.scp" ]; then svs_frames=(svs_frames); else svs_frames=(); fi
data_of codec_ssl score_frames "${svs_frames[@]}" prompt
lm_options=(--config "${train_config}" --token_list "${vocabulary}/token_list.json" --model_conf "task=${task}"
  --phone_list "${tokenizer_dir}/phones.txt" --tokenizer_dir "${tokenizer_dir}" "${train_words[@]}" "${data[@]}")
lm_inputs=$(digest_of 7 --from "${trained_on[@]}" "${vocabulary}" --)

if begin 7 "statistics" "${tokens}/{${train_set},${valid_set}}" "${lm_stats}: shapes of the batches' streams"; then
  step 7 "${lm_stats}" --from "${trained_on[@]}" "${vocabulary}" -- \
    on train --log "${lm_stats}/logs/stats.log" train/speechlm --collect_stats true --ngpu 0 \
    --output_dir "${lm_stats}" "${lm_options[@]}" --train_shape_file "${tokens}/${train_set}/codec_ssl.scp" \
    --valid_shape_file "${tokens}/${valid_set}/codec_ssl.scp"
  end
fi

if begin 8 "speech-LM training with ZeRO-2" "${tokens}/{${train_set},${valid_set}}, ${vocabulary}, ${lm_stats}, ${train_config}, ${deepspeed_config}" \
    "${lm_exp}: config.yaml, ${inference_model}, train.log"; then
  longer "${train_config}" "${tokens}/${train_set}/utt2num_frames" "${tuned_on_frames}"
  step --training --tag 8 "${lm_exp}" --with "${lm_inputs}" --files "${train_config}" "${deepspeed_config}" \
    --with "${train_args}" "${more_steps[@]}" -- \
    on cuda "${training[@]}" espnet2_ext.bin.train speechlm --resume true \
    --deepspeed_config "${deepspeed_config}" --output_dir "${lm_exp}" "${more_steps[@]}" "${lm_options[@]}" \
    --train_shape_file "${lm_stats}/train/codec_ssl_shape" --valid_shape_file "${lm_stats}/valid/codec_ssl_shape"
  end
fi

rolled_score() {
  local status=0
  on infer report/rolled_score --train_config "${lm_exp}/config.yaml" --model_file "${lm_exp}/${inference_model}" \
    --token_dir "${tokens}/${valid_set}" --output "${step_dir}/rolled_score.json" --device "${device}" || status=$?
  if [ "${status}" -eq 1 ] && ! "${score_matters}"; then
    log "stage 9: the speech LM ignores its score (--score_matters false: going on)"
  elif [ "${status}" -ne 0 ]; then
    exit "${status}"
  fi
}
if begin 9 "speech-LM inference and rolled-score test" "${lm_exp}/${inference_model}, ${eval_tokens}: score_frames prompt" \
    "${sung_dir}/${eval_name}: codec_ssl (sampled), soft (where expected embeddings are wanted); ${lm_exp}/rolled_score/rolled_score.json"; then
  render --set "${eval_name}" --parts tokens
  step 9r "${lm_exp}/rolled_score" --from "${lm_exp}" "${tokens}/${valid_set}" \
    --with "${inference_model}" "${score_matters}" "${device}" -- rolled_score
  end
fi

if begin 10 "flow training, and the phone-duration model" "${tokens}/{${train_set},${valid_set}}, ${tokenizer_dir}, ${on_samples:+${lm_exp}/${inference_model}, }${flow_config}, ${dumpdir}/raw/<set>, ${duration_config}" \
    "${on_samples:+${sung_dir}/<set>: codec_ssl; }${flow_exp}, ${duration_exp}: config.yaml, valid.loss.best.pth"; then
  sung=() sung_dirs=()
  if "${flow_on_samples}"; then
    sung=(sampled) sung_dirs=(--from)
    [ "${soft_tokens}" != true ] || sung+=(soft)
    for set in "${train_set}" "${valid_set}"; do
      render --sing --set "${set}" --parts tokens
      sung_dirs+=("${sung_dir}/${set}")
      [ "${soft_tokens}" != true ] || sung_dirs+=("${sung_dir}/${set}/soft")
    done
  fi
  longer "${flow_config}" "${tokens}/${train_set}/utt2num_frames" "${tuned_on_frames}"
  data_of codec_ssl score_frames prompt mel f0 "${sung[@]}"
  step --training --flow_tag 10 "${flow_exp}" --with "${lm_inputs}" --files "${flow_config}" --with "${flow_args}" \
    "${sung_dirs[@]}" --with "${more_steps[@]}" -- \
    on cuda "${training[@]}" espnet2_ext.bin.train flow --resume true \
    --config "${flow_config}" "${more_steps[@]}" --tokenizer_dir "${tokenizer_dir}" --output_dir "${flow_exp}" \
    "${data[@]}" "${frames_of[@]}" "${flow_words[@]}"
  train_duration
  end
fi

if begin 11 "flow inference" "${flow_exp}/${flow_model}, ${eval_tokens}, ${sung_dir}/${eval_name}/codec_ssl.scp" \
    "${flow_exp}/decode_${flow_inference_tag}/<tokens>/${eval_name}, ${expdir}/codec_resynthesis/${eval_name}: mel f0 (ark, scp)"; then
  render --set "${eval_name}" --parts features
  end
fi

train_vocoder 12

if begin 13 "vocoder inference, of the rows in ${systems_config}" "${vocoder_exp}/${vocoder_model}, mel and f0 of stages 5 and 11" \
    "${vocoder_exp}/<row>/${eval_name}, ${flow_exp}/decode_${flow_inference_tag}/<tokens>/${eval_name}/wav_*: wav/<utt>.wav, wav.scp"; then
  render --set "${eval_name}" --parts wavs
  end
fi

judges_in_branch 14
score_rows 14
report 15 "${corpus_name}: SLM-SVS" "${lm_exp}/rolled_score/rolled_score.json" "${lm_exp}" "${flow_exp}" "${vocoder_exp}" "${duration_exp}"

if begin 16 "pack" "${lm_exp}, ${flow_exp}, ${vocoder_exp}, ${duration_exp}, ${tokenizer_dir}, ${vocabulary}" \
    "${expdir}/packed/${pack_name}.zip"; then
  pack_models "${lm_exp}" "${flow_exp}" "${vocoder_exp}" "${duration_exp}" -- "${inference_config}" "${flow_inference_config}" -- \
    --speechlm_dir "${lm_exp}" --speechlm_file "${inference_model}" --flow_dir "${flow_exp}" --flow_file "${flow_model}" \
    --decode_config "${inference_config}" --sampling_config "${flow_inference_config}" --vocabulary_dir "${vocabulary}"
  end
fi

log "finished in ${SECONDS} s"
