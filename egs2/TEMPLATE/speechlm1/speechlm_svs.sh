#!/usr/bin/env bash
# Singing voice synthesis with a speech language model, stage by stage (the SLM-SVS system).
# Run by a corpus' run.sh, in the corpus' directory. Every stage says what it reads and writes, can
# be run again, resumes when it was killed, and says so when it has nothing to do.
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
report_utts=6          # utterances of each set in the report
corpus_name=           # corpus of origin, for the pack; default: the recipe's folder
pack_name=             # default: corpus name and tags
hf_repo=               # owner/name on the Hugging Face hub: stage 16 uploads the pack there
branch=                # used by --parallel_stages itself
print_paths=false      # only print, for other scripts, what is called how and where it lies

help_message="Usage: ./run.sh [options of speechlm_svs.sh]
Stages: 1 data preparation, 2 format audio, 3 length filter, 4 fit tokenizers, 5 tokenize,
6 vocabulary, 7 statistics, 8 speech-LM training, 9 speech-LM inference, 10 flow training,
11 flow inference, 12 vocoder training, 13 vocoder inference, 14 scoring, 15 report, 16 pack.
Options (--name value), with their defaults:"

. utils/parse_options.sh
. utils/steps.sh
[ $# -eq 0 ] || fail "no positional arguments are taken: $*"
. ./path.sh
. ./cmd.sh

: "${mel_config:=${MAIN_ROOT}/conf/mel.yaml}"
: "${deepspeed_config:=${MAIN_ROOT}/conf/ds_zero2.json}"
: "${scoring_config:=${MAIN_ROOT}/conf/scoring.yaml}"
: "${corpus_name:=$(basename "$(dirname "${PWD}")")}"
for value in "${stage}" "${stop_stage}" "${ngpu}" "${tuned_on_frames}"; do
  [[ ${value} =~ ^[0-9]+$ ]] || fail "${value} is no number (in --stage, --stop_stage, --ngpu or --tuned_on_frames)"
done
for value in "${num_nodes}" "${train_procs}" "${nj}" "${inference_nj}"; do
  [[ ${value} =~ ^[1-9][0-9]*$ ]] || fail "${value} is no number from 1 (in --num_nodes, --train_procs, --nj or --inference_nj)"
done

# Options that hold several words are split here, once, and never evaluated.
read -ra test_list <<< "${test_sets}"
read -ra prompt_list <<< "${prompt_sets}"
read -ra local_data_words <<< "${local_data_opts}"
read -ra vocabulary_words <<< "${vocabulary_args}"
read -ra train_words <<< "${train_args}"
read -ra inference_words <<< "${inference_args}"
read -ra flow_words <<< "${flow_args}"
read -ra flow_inference_words <<< "${flow_inference_args}"
read -ra duration_words <<< "${duration_args}"
read -ra vocoder_words <<< "${vocoder_args}"
read -ra judge_words <<< "${judge_args}"
read -ra score_words <<< "${score_args}"
read -ra train_launch <<< "${train_cmd:?}"
read -ra cuda_launch <<< "${cuda_cmd:?}"
read -ra decode_launch <<< "${decode_cmd:?}"
# Each set once: what is tuned on may be evaluated too.
mapfile -t all_sets < <(printf '%s\n' "${train_set}" "${valid_set}" "${test_list[@]}" "${prompt_list[@]}" | awk '!seen[$0]++')
for set in "${all_sets[@]}"; do # folders are named after them
  [[ ${set} != */* && ${set} != .* && ${set} != -* ]] || fail "${set} is no name of a set (in --train_set, --valid_set, --test_sets or --prompt_sets)"
done
run_module=("${python}" -m)

: "${tag:=$(tag_of speechlm "${train_config}" "${train_words[@]}")}"
: "${inference_tag:=$(tag_of speechlm "${inference_config}" "${inference_words[@]}")}"
on_samples=()
if "${flow_on_samples}"; then on_samples=(sampled); fi
: "${flow_tag:=$(tag_of flow "${flow_config}" "${flow_words[@]}" "${on_samples[@]}")}"
: "${flow_inference_tag:=$(tag_of flow "${flow_inference_config}" "${flow_inference_words[@]}")}"
: "${duration_tag:=$(tag_of duration "${duration_config}" "${duration_words[@]}")}"
: "${vocoder_tag:=$(tag_of vocoder "${vocoder_config}" "${vocoder_words[@]}")}"
: "${pack_name:=${corpus_name}_${tag}}"

tokenizer_dir="${expdir}/tokenizer"
tokens="${dumpdir}/tokens"
eval_tokens="${tokens}/eval_$(tr -cs 'A-Za-z0-9\n' '_' <<< "${test_sets}")"
# Tokens of another task, or an extended list, are a vocabulary of their own.
of_task=${task#svs}${base_vocabulary:+_grown}
of_task=${of_task:+_${of_task#_}}
vocabulary="${tokens}/vocabulary${of_task}"
lm_stats="${expdir}/speechlm_stats${of_task}"
lm_exp="${expdir}/speechlm_${tag}"
flow_exp="${expdir}/flow_${flow_tag}"
duration_exp="${expdir}/duration_${duration_tag}"
vocoder_exp="${expdir}/vocoder_${vocoder_tag}"
judges_dir="${expdir}/judges"
scores_dir="${expdir}/scores"
# What is generated for evaluation: one folder per model, decoding and collection of test sets.
eval_name="${eval_tokens##*/}"
sung_dir="${lm_exp}/decode_${inference_tag}"
decode_lm="${sung_dir}/${eval_name}"
flow_decode="${flow_exp}/decode_${flow_inference_tag}"
flow_of_truth="${flow_decode}/gt_tokens/${eval_name}"
flow_of_lm="${flow_decode}/lm_${tag}_${inference_tag}/${eval_name}"
codec_decode="${expdir}/codec_resynthesis/${eval_name}"
# The flow gets the embeddings that the LM expected where ${inference_config} says so.
soft_tokens=$(yaml_value "${inference_config}" soft 2>/dev/null || true)
decode_soft="${decode_lm}/soft"
device=cpu
if "${gpu_inference}"; then device=cuda; fi
# Jobs of tokenizing, and threads of each. A job loads codec and SSL model: on GPUs there are as many
# as load other models, and they share the processors.
tokenize_nj=${nj}
tokenize_threads=1
inference_gpu=()
if "${gpu_inference}"; then
  inference_gpu=(--gpu 1)
  tokenize_nj=${inference_nj}
  tokenize_threads=$(((nj + inference_nj - 1) / inference_nj))
fi
# How trainings start: what they ask of the launcher, and what starts their processes.
training_resources=()
train_on=("${run_module[@]}" espnet2_ext.bin.launch --ngpu "${ngpu}" --num_nodes "${num_nodes}")
if [ "${ngpu}" -gt 0 ]; then
  # With a hostfile the GPUs are those of its machines.
  [ -n "${hostfile}" ] || training_resources=(--gpu "${ngpu}")
else
  train_on+=(--processes "${train_procs}")
  [ "${train_procs}" -eq 1 ] || training_resources=(--num_threads "${train_procs}")
fi
if [ -n "${hostfile}" ]; then train_on+=(--hostfile "${hostfile}")
elif [ "${num_nodes}" -gt 1 ]; then training_resources+=(--num_nodes "${num_nodes}"); fi

if "${print_paths}"; then
  declare -p tag eval_name tokenizer_dir tokens eval_tokens lm_exp flow_exp duration_exp vocoder_exp \
    judges_dir decode_lm decode_soft soft_tokens flow_of_lm codec_decode expdir dumpdir datadir device nj inference_nj tokenize_nj tokenize_threads scoring_config \
    train_set valid_set test_list inference_config inference_words inference_model flow_inference_config \
    flow_inference_words flow_model duration_model vocoder_model vocoder_f0 run_module \
    train_launch decode_launch inference_gpu
  exit 0
fi

# A branch is this script, started again for the stages that it may run. A flow that learns from what
# the speech LM sings waits for it.
lm_stages="7 8 9" acoustic_stages="10 12"
if "${flow_on_samples}"; then lm_stages="7 8 9 10" acoustic_stages=12; fi
case ${branch} in
  '') branch_stages=" 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 " ;;
  lm) branch_stages=" ${lm_stages} judges " ;;
  acoustic) branch_stages=" ${acoustic_stages} " ;;
  *) fail "--branch is set by --parallel_stages alone" ;;
esac
if [ -n "${branch}" ] && [ "${nj}" -gt 1 ]; then nj=$((nj / 2)); fi

# What the stages to run read is there before the first of them starts.
for needed in "4 ${tokenizer_config}" "2 ${mel_config}" "3 ${exclude:-${mel_config}}" \
    "7 ${train_config}" "8 ${train_config}" "8 ${deepspeed_config}" \
    "9 ${inference_config}" "10 ${flow_config}" "10 ${duration_config}" \
    "11 ${flow_inference_config}" "12 ${vocoder_config}" "14 ${scoring_config}"; do
  if runs "${needed%% *}" && [ ! -f "${needed#* }" ]; then
    fail "${needed#* }: no such file (read by stage ${needed%% *})"
  fi
done

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
if runs 1; then
  begin 1 "data preparation" "what local/data.sh downloads or makes" \
    "${datadir}/{${train_set},${valid_set},$(tr ' ' ',' <<< "${test_sets} ${prompt_sets}")}: wav.scp text label score.scp utt2spk spk2utt utt2lang"
  made=$(digest 1 "$(contents local/data.sh)" "${local_data_opts}")
  if todo "${datadir}" "${made}"; then
    export datadir PYTHON="${python}"
    utils/run.py "${datadir}/logs/data.log" local/data.sh --nj "${nj}" "${local_data_words[@]}"
    mark "${datadir}" "${made}"
  fi
  end
fi

no_id_twice() { # no_id_twice DIR: of the test sets in it, whose tables are joined for evaluation
  local twice tables=("${test_list[@]/#/$1/}")
  twice=$(awk 'seen[$1]++ { print $1; exit }' "${tables[@]/%//wav.scp}")
  [ -z "${twice}" ] || fail "utterance ${twice} is in two of the sets ${test_sets}: they are evaluated together, so each id stands once (rename it, or give --test_sets one of them)"
}

if runs 2; then
  fs=$(yaml_value "${mel_config}" fs)
  begin 2 "format audio at ${fs} Hz and validate" "${datadir}/<set>" "${dumpdir}/raw/org/<set>"
  for set in "${all_sets[@]}"; do
    out="${dumpdir}/raw/org/${set}"
    made=$(digest 2 "$(made_of "${datadir}")" "${fs}")
    if todo "${out}" "${made}"; then
      "${train_launch[@]}" --num_threads "${nj}" "${out}/logs/format.log" \
        "${run_module[@]}" espnet2_ext.bin.format_wav --in_dir "${datadir}/${set}" --out_dir "${out}" --fs "${fs}" --nj "${nj}"
    fi
  done
  for set in "${all_sets[@]}"; do
    out="${dumpdir}/raw/org/${set}"
    made=$(digest 2 "$(made_of "${datadir}")" "${fs}")
    if todo "${out}" "${made}"; then
      spawn "${out}" "${made}" "${train_launch[@]}" "${out}/logs/validate.log" \
        "${run_module[@]}" espnet2_ext.bin.data_dir validate --data_dir "${out}"
    fi
  done
  drain
  no_id_twice "${dumpdir}/raw/org"
  end
fi

if runs 3; then
  begin 3 "length filter: ${min_wav_duration}-${max_wav_duration} s in training and validation" \
    "${dumpdir}/raw/org/<set>${exclude:+, ${exclude}}" "${dumpdir}/raw/<set>"
  for set in "${all_sets[@]}"; do
    from="${dumpdir}/raw/org/${set}"
    out="${dumpdir}/raw/${set}"
    limits=(--min_sec "${min_wav_duration}" --max_sec "${max_wav_duration}")
    list=()
    if [ -n "${exclude}" ]; then list=(--exclude "${exclude}" "$(contents "${exclude}")"); fi
    # What is evaluated is evaluated whole.
    [[ ${set} == "${train_set}" || ${set} == "${valid_set}" ]] || { limits=(); list=(); }
    made=$(digest 3 "$(made_of "${from}")" "${limits[@]}" "${list[@]}")
    if todo "${out}" "${made}"; then
      spawn "${out}" "${made}" "${train_launch[@]}" "${out}/logs/filter.log" \
        "${run_module[@]}" espnet2_ext.bin.data_dir filter --in_dir "${from}" --out_dir "${out}" "${limits[@]}" "${list[@]:0:2}"
    fi
  done
  drain
  end
fi

if runs 4; then
  begin 4 "fit tokenizers" "${dumpdir}/raw/${train_set}, ${tokenizer_config}, ${mel_config}" \
    "${tokenizer_dir}: codec, SSL clusters, phones.txt, mel statistics"
  made=$(digest 4 "$(made_of "${dumpdir}/raw/${train_set}")" "$(contents "${tokenizer_config}" "${mel_config}")")
  if todo "${tokenizer_dir}" "${made}"; then
    "${train_launch[@]}" --num_threads "${nj}" "${inference_gpu[@]}" "${expdir}/logs/fit_tokenizers.log" \
      "${run_module[@]}" espnet2_ext.bin.fit_tokenizers --config "${tokenizer_config}" \
      --mel_config "${mel_config}" --data_dir "${dumpdir}/raw/${train_set}" \
      --out_dir "${tokenizer_dir}" --nj "${nj}" --device "${device}"
    mark "${tokenizer_dir}" "${made}"
  fi
  end
fi

if runs 5; then
  begin 5 "tokenize" "${dumpdir}/raw/<set>, ${tokenizer_dir}" \
    "${tokens}/<set>: codec_ssl score_frames mel f0 prompt (ark, scp), prompts.json, svs_lb, data.json; ${eval_tokens}: the same of all test sets"
  no_id_twice "${dumpdir}/raw"
  # Prompts are drawn from the training and prompt sets; the latter need none themselves.
  prompt_dirs=("${tokens}/${train_set}")
  for set in "${prompt_list[@]}"; do prompt_dirs+=("${tokens}/${set}"); done
  # Models are loaded once for all sets: their utterances are dealt out to the jobs together.
  in_dirs=() out_dirs=() prompted_dirs=() step_digests=()
  for set in "${all_sets[@]}"; do
    made=$(digest 5 "$(made_of "${dumpdir}/raw/${set}" "${tokenizer_dir}" "${dumpdir}/raw/${train_set}")" \
      "${prompt_sets}" "${prompt_seed}" "${device}" prompts.json)
    todo "${tokens}/${set}" "${made}" || continue
    in_dirs+=("${dumpdir}/raw/${set}")
    out_dirs+=("${tokens}/${set}")
    [[ " ${prompt_sets} " == *" ${set} "* ]] || prompted_dirs+=("${tokens}/${set}")
    step_digests+=("${made}")
  done
  if [ "${#out_dirs[@]}" -gt 0 ]; then
    step=("${run_module[@]}" espnet2_ext.bin.tokenize --data_dir "${in_dirs[@]}"
      --tokenizer_dir "${tokenizer_dir}" --out_dir "${out_dirs[@]}" --device "${device}")
    in_shards "${tokenize_nj}" "${tokens}/logs/tokenize" "${step[@]}" --nj "${tokenize_threads}"
    "${sharded[@]}"
    "${train_launch[@]}" "${tokens}/logs/merge.log" \
      "${step[@]}" --merge --prompted_dirs "${prompted_dirs[@]}" --prompt_dirs "${prompt_dirs[@]}" --seed "${prompt_seed}"
    for i in "${!out_dirs[@]}"; do mark "${out_dirs[i]}" "${step_digests[i]}"; done
  fi
  # All test sets as one, so that each model is loaded once for all of them.
  test_tokens=()
  for set in "${test_list[@]}"; do test_tokens+=("${tokens}/${set}"); done
  made=$(digest 5e "$(made_of "${test_tokens[@]}")" "${test_sets}")
  if todo "${eval_tokens}" "${made}"; then
    for table in codec_ssl.scp score_frames.scp svs_frames.scp prompt.scp mel.scp f0.scp utt2num_frames utt2spk; do
      rm -f -- "${eval_tokens}/${table}"
      [ -f "${test_tokens[0]}/${table}" ] || continue
      sort -- "${test_tokens[@]/%//${table}}" > "${eval_tokens}/${table}"
    done
    mark "${eval_tokens}" "${made}"
  fi
  end
fi

if runs 6; then
  begin 6 "vocabulary" "${tokenizer_dir}, ${tokens}/<set>/data.json" \
    "${vocabulary}: token_list.json token_bias.json"
  out="${vocabulary}"
  made=$(digest 6 "$(made_of "${tokenizer_dir}" "${tokens}/${train_set}" "${tokens}/${valid_set}")" \
    "${base_vocabulary}" "${vocabulary_args}")
  if todo "${out}" "${made}"; then
    base=()
    [ -z "${base_vocabulary}" ] || base=(--base_dir "${base_vocabulary}")
    "${train_launch[@]}" "${out}/logs/build_vocabulary.log" \
      "${run_module[@]}" espnet2_ext.bin.build_vocabulary --tokenizer_dir "${tokenizer_dir}" \
      --out_dir "${out}" --tasks "${task}" "${base[@]}" "${vocabulary_words[@]}" \
      --data_json "${tokens}/${train_set}/data.json" "${tokens}/${valid_set}/data.json"
    mark "${out}" "${made}"
  fi
  end
fi

share_again

# Stages 7-9 and 10-12 need each other no more than their inputs' tokens: side by side they use two
# cores that one training alone would not.
if "${parallel_stages}" && [ -z "${branch}" ] && [ "${stage}" -le 12 ] && [ "${stop_stage}" -ge 10 ] \
    && ! "${skip_train}"; then
  log "stages ${lm_stages}, judges (lm) and ${acoustic_stages} (acoustic) side by side"
  for name in lm acoustic; do
    utils/guard.py bash "$0" "${called_with[@]}" --branch "${name}" &
    spawned+=("$!"$'\t-\t-')
  done
  drain
fi

data_of() { # data_of SPLIT SET STREAM...: ESPnet's options for token streams, into the array `data`
  local split=$1 set=$2 stream
  shift 2
  for stream in "$@"; do
    case ${stream} in
      prompts) data+=("--${split}_data_path_and_name_and_type" "${tokens}/${set}/prompts.json,prompt,prompt_pool") ;;
      sampled) data+=("--${split}_data_path_and_name_and_type" "${sung_dir}/${set}/codec_ssl.scp,sampled,kaldi_ark") ;;
      soft) data+=("--${split}_data_path_and_name_and_type" "${sung_dir}/${set}/soft/soft.scp,soft,kaldi_ark") ;;
      *) data+=("--${split}_data_path_and_name_and_type" "${tokens}/${set}/${stream}.scp,${stream},kaldi_ark") ;;
    esac
  done
}

# Where svs_lb rounds phone by phone, the LM's prefix has frames of its own.
if [ -f "${tokens}/${train_set}/svs_frames.scp" ]; then svs_frames=(svs_frames); else svs_frames=(); fi
lm_options=(--config "${train_config}" --token_list "${vocabulary}/token_list.json" --model_conf "task=${task}"
  --phone_list "${tokenizer_dir}/phones.txt" --tokenizer_dir "${tokenizer_dir}" "${train_words[@]}")
data=()
# In training each epoch draws other prompts (a fixed one would name its target).
data_of train "${train_set}" codec_ssl score_frames "${svs_frames[@]}" prompts
data_of valid "${valid_set}" codec_ssl score_frames "${svs_frames[@]}" prompt
lm_options+=("${data[@]}")
lm_inputs=$(digest 7 "$(made_of "${tokens}/${train_set}" "${tokens}/${valid_set}" "${vocabulary}")")

if runs 7; then
  begin 7 "statistics" "${tokens}/{${train_set},${valid_set}}" "${lm_stats}: shapes of the batches' streams"
  if todo "${lm_stats}" "${lm_inputs}"; then
    "${train_launch[@]}" "${lm_stats}/logs/stats.log" \
      "${run_module[@]}" espnet2_ext.bin.speechlm_train --collect_stats true --ngpu 0 \
      --output_dir "${lm_stats}" "${lm_options[@]}" \
      --train_shape_file "${tokens}/${train_set}/codec_ssl.scp" \
      --valid_shape_file "${tokens}/${valid_set}/codec_ssl.scp"
    mark "${lm_stats}" "${lm_inputs}"
  fi
  end
fi

if runs 8; then
  begin 8 "speech-LM training with ZeRO-2" "${tokens}/{${train_set},${valid_set}}, ${vocabulary}, ${lm_stats}, ${train_config}, ${deepspeed_config}" \
    "${lm_exp}: config.yaml, ${inference_model}, train.log"
  longer "${train_config}" "${tokens}/${train_set}/utt2num_frames" "${tuned_on_frames}"
  made=$(digest 8 "${lm_inputs}" "$(contents "${train_config}" "${deepspeed_config}")" "${train_args}" "${more_steps[@]}")
  if todo_training "${lm_exp}" "${made}" --tag; then
    "${cuda_launch[@]}" "${training_resources[@]}" "${lm_exp}/train.log" \
      "${train_on[@]}" espnet2_ext.bin.speechlm_train --resume true \
      --deepspeed_config "${deepspeed_config}" --output_dir "${lm_exp}" "${more_steps[@]}" "${lm_options[@]}" \
      --train_shape_file "${lm_stats}/train/codec_ssl_shape" \
      --valid_shape_file "${lm_stats}/valid/codec_ssl_shape"
    mark "${lm_exp}" "${made}"
  fi
  end
fi

# The speech LM sings a set: its tokens, and the embeddings that it expected where these are wanted.
lm_sings() { # lm_sings TOKEN_DIR OUT
  local made
  made=$(digest 9 "$(made_of "${lm_exp}" "$1")" "$(contents "${inference_config}")" \
    "${inference_args}" "${inference_model}" "${device}")
  if todo "$2" "${made}"; then
    in_shards "${inference_nj}" "$2/logs/speechlm_inference" \
      "${run_module[@]}" espnet2_ext.bin.speechlm_inference \
      --train_config "${lm_exp}/config.yaml" --model_file "${lm_exp}/${inference_model}" \
      --score_frames_scp "$1/score_frames.scp" --prompt_scp "$1/prompt.scp" \
      --decode_config "${inference_config}" --output_dir "$2" \
      --device "${device}" "${inference_words[@]}"
    "${sharded[@]}"
    tell "lengths of" "$2/logs/"speechlm_inference.*.log
    mark "$2" "${made}"
  fi
  [ "${soft_tokens}" = true ] || return 0
  made=$(digest 9s "$(made_of "$2" "${tokenizer_dir}")" "${device}")
  if todo "$2/soft" "${made}"; then
    in_shards "${inference_nj}" "$2/soft/logs/soft_tokens" \
      "${run_module[@]}" espnet2_ext.bin.soft_tokens --train_config "${lm_exp}/config.yaml" \
      --model_file "${lm_exp}/${inference_model}" --token_dir "$1" \
      --codec_ssl "$2/codec_ssl.scp" --tokenizer_dir "${tokenizer_dir}" \
      --decode_config "${inference_config}" --output_dir "$2/soft" --device "${device}"
    "${sharded[@]}"
    mark "$2/soft" "${made}"
  fi
}

if runs 9; then
  begin 9 "speech-LM inference and rolled-score test" "${lm_exp}/${inference_model}, ${eval_tokens}: score_frames prompt" \
    "${decode_lm}: codec_ssl (sampled), soft (where expected embeddings are wanted); ${lm_exp}/rolled_score/rolled_score.json"
  lm_sings "${eval_tokens}" "${decode_lm}"
  out="${lm_exp}/rolled_score"
  made=$(digest 9r "$(made_of "${lm_exp}" "${tokens}/${valid_set}")" "${inference_model}" "${score_matters}" "${device}")
  if todo "${out}" "${made}"; then
    status=0
    "${decode_launch[@]}" "${inference_gpu[@]}" "${out}/logs/rolled_score.log" \
      "${run_module[@]}" espnet2_ext.bin.rolled_score --train_config "${lm_exp}/config.yaml" \
      --model_file "${lm_exp}/${inference_model}" --token_dir "${tokens}/${valid_set}" \
      --output "${out}/rolled_score.json" --device "${device}" || status=$?
    if [ "${status}" -eq 1 ] && ! "${score_matters}"; then
      log "stage 9: the speech LM ignores its score (--score_matters false: going on)"
    elif [ "${status}" -ne 0 ]; then
      exit "${status}"
    fi
    mark "${out}" "${made}"
  fi
  end
fi

if runs 10; then
  begin 10 "flow training, and the phone-duration model" "${tokens}/{${train_set},${valid_set}}, ${tokenizer_dir}, ${on_samples:+${lm_exp}/${inference_model}, }${flow_config}, ${dumpdir}/raw/<set>, ${duration_config}" \
    "${on_samples:+${sung_dir}/<set>: codec_ssl; }${flow_exp}, ${duration_exp}: config.yaml, valid.loss.best.pth"
  sung=() sung_made=()
  if "${flow_on_samples}"; then
    for set in "${train_set}" "${valid_set}"; do
      lm_sings "${tokens}/${set}" "${sung_dir}/${set}"
      sung_made+=("$(made_of "${sung_dir}/${set}")")
      [ "${soft_tokens}" != true ] || sung_made+=("$(made_of "${sung_dir}/${set}/soft")")
    done
    sung=(sampled)
    [ "${soft_tokens}" != true ] || sung+=(soft)
  fi
  longer "${flow_config}" "${tokens}/${train_set}/utt2num_frames" "${tuned_on_frames}"
  made=$(digest 10 "${lm_inputs}" "$(contents "${flow_config}")" "${flow_args}" "${sung_made[@]}" "${more_steps[@]}")
  if todo_training "${flow_exp}" "${made}" --flow_tag; then
    data=()
    data_of train "${train_set}" codec_ssl score_frames prompts mel f0 "${sung[@]}"
    data_of valid "${valid_set}" codec_ssl score_frames prompt mel f0 "${sung[@]}"
    "${cuda_launch[@]}" "${training_resources[@]}" "${flow_exp}/train.log" \
      "${train_on[@]}" espnet2_ext.bin.flow_train --resume true \
      --config "${flow_config}" "${more_steps[@]}" --tokenizer_dir "${tokenizer_dir}" --output_dir "${flow_exp}" \
      "${data[@]}" --train_shape_file "${tokens}/${train_set}/utt2num_frames" \
      --valid_shape_file "${tokens}/${valid_set}/utt2num_frames" "${flow_words[@]}"
    mark "${flow_exp}" "${made}"
  fi
  made=$(digest 10d "$(made_of "${dumpdir}/raw/${train_set}" "${dumpdir}/raw/${valid_set}")" \
    "$(contents "${duration_config}")" "${duration_args}")
  if todo_training "${duration_exp}" "${made}" --duration_tag; then
    "${cuda_launch[@]}" "${duration_exp}/train.log" \
      "${run_module[@]}" espnet2_ext.bin.duration_train --ngpu 0 --resume true \
      --config "${duration_config}" --train_dir "${dumpdir}/raw/${train_set}" \
      --valid_dir "${dumpdir}/raw/${valid_set}" --output_dir "${duration_exp}" "${duration_words[@]}"
    mark "${duration_exp}" "${made}"
  fi
  end
fi

if runs 11; then
  begin 11 "flow inference" "${flow_exp}/${flow_model}, ${eval_tokens}, ${decode_lm}/codec_ssl.scp" \
    "${flow_of_truth}, ${flow_of_lm}, ${codec_decode}: mel f0 (ark, scp)"
  for out in "${flow_of_truth}" "${flow_of_lm}"; do
    sampled=()
    from=("${eval_tokens}")
    if [ "${out}" = "${flow_of_lm}" ]; then
      from=("${decode_lm}")
      sampled=(--codec_ssl "${decode_lm}/codec_ssl.scp")
      if [ "${soft_tokens}" = true ]; then
        from+=("${decode_soft}")
        sampled+=(--soft "${decode_soft}/soft.scp")
      fi
    fi
    made=$(digest 11 "$(made_of "${flow_exp}" "${from[@]}")" "$(contents "${flow_inference_config}")" \
      "${flow_inference_args}" "${flow_model}" "${device}")
    if todo "${out}" "${made}"; then
      in_shards "${inference_nj}" "${out}/logs/flow_inference" \
        "${run_module[@]}" espnet2_ext.bin.flow_inference \
        --train_config "${flow_exp}/config.yaml" --model_file "${flow_exp}/${flow_model}" \
        --inference_config "${flow_inference_config}" --token_dir "${eval_tokens}" "${sampled[@]}" \
        --tokenizer_dir "${tokenizer_dir}" --output_dir "${out}" \
        --device "${device}" "${flow_inference_words[@]}"
      spawn "${out}" "${made}" "${sharded[@]}"
    fi
  done
  made=$(digest 11c "$(made_of "${eval_tokens}" "${tokenizer_dir}")")
  if todo "${codec_decode}" "${made}"; then
    spawn "${codec_decode}" "${made}" "${decode_launch[@]}" "${codec_decode}/logs/codec_decode.log" \
      "${run_module[@]}" espnet2_ext.bin.codec_decode --tokenizer_dir "${tokenizer_dir}" \
      --codec_ssl "${eval_tokens}/codec_ssl.scp" --output_dir "${codec_decode}"
  fi
  drain
  end
fi

if runs 12; then
  begin 12 "vocoder training" "${tokens}/{${train_set},${valid_set}}: mel f0, ${dumpdir}/raw/<set>/wav.scp, ${vocoder_config}" \
    "${vocoder_exp}: config.yaml, ${vocoder_model}"
  longer "${vocoder_config}" "${tokens}/${train_set}/utt2num_frames" "${tuned_on_frames}"
  made=$(digest 12 "$(made_of "${tokens}/${train_set}" "${tokens}/${valid_set}")" "$(contents "${vocoder_config}")" \
    "${vocoder_args}" "${more_steps[@]}")
  if todo_training "${vocoder_exp}" "${made}" --vocoder_tag; then
    data=()
    data_of train "${train_set}" mel f0
    data_of valid "${valid_set}" mel f0
    "${cuda_launch[@]}" "${training_resources[@]}" "${vocoder_exp}/train.log" \
      "${train_on[@]}" espnet2_ext.bin.vocoder_train --resume true \
      --config "${vocoder_config}" "${more_steps[@]}" --mel_config "${mel_config}" --output_dir "${vocoder_exp}" "${data[@]}" \
      --train_data_path_and_name_and_type "${dumpdir}/raw/${train_set}/wav.scp,wav,sound" \
      --valid_data_path_and_name_and_type "${dumpdir}/raw/${valid_set}/wav.scp,wav,sound" \
      --train_shape_file "${tokens}/${train_set}/utt2num_frames" \
      --valid_shape_file "${tokens}/${valid_set}/utt2num_frames" "${vocoder_words[@]}"
    mark "${vocoder_exp}" "${made}"
  fi
  end
fi

# The rows of the result table, beside the recordings: where their features and wavs are, and where
# the vocoder's F0 comes from (real and codec features bring no generated F0).
systems=(vocoder_gt_mel codec_resynthesis "gt_tokens+flow2+voc" "lm+flow2+voc")
features_of() { # features_of SYSTEM
  case $1 in
    vocoder_gt_mel) echo "${eval_tokens}" ;;
    codec_resynthesis) echo "${codec_decode}" ;;
    gt_tokens+*) echo "${flow_of_truth}" ;;
    lm+*) echo "${flow_of_lm}" ;;
  esac
}
wavs_of() { # wavs_of SYSTEM
  case $1 in
    vocoder_gt_mel|codec_resynthesis) echo "${vocoder_exp}/$1/${eval_name}" ;;
    *) echo "$(features_of "$1")/wav_${vocoder_exp##*/}" ;;
  esac
}
f0_source_of() { # f0_source_of SYSTEM
  case $1 in
    vocoder_gt_mel|codec_resynthesis) echo predictor ;;
    *) echo "${vocoder_f0}" ;;
  esac
}

if runs 13; then
  begin 13 "vocoder inference: ${systems[*]}" "${vocoder_exp}/${vocoder_model}, mel and f0 of stages 5 and 11" \
    "${vocoder_exp}/<row>/${eval_name}, ${flow_decode}/<row>/${eval_name}/wav_*: wav/<utt>.wav, wav.scp"
  for system in "${systems[@]}"; do
    features=$(features_of "${system}")
    source=$(f0_source_of "${system}")
    out=$(wavs_of "${system}")
    made=$(digest 13 "$(made_of "${vocoder_exp}" "${features}")" "${source}" "${vocoder_model}" "${device}")
    todo "${out}" "${made}" || continue
    if [ "${system}" = codec_resynthesis ] && [ -f "${features}/wav.scp" ]; then
      # A codec that decodes to audio needs no vocoder.
      cp -- "${features}/wav.scp" "${out}/wav.scp"
      mark "${out}" "${made}"
      continue
    fi
    step=("${run_module[@]}" espnet2_ext.bin.vocoder_inference --model_dir "${vocoder_exp}"
      --model_file "${vocoder_model}" --mel_scp "${features}/mel.scp" --f0_source "${source}"
      --output_dir "${out}" --device "${device}")
    [ "${source}" != feats ] || step+=(--f0_scp "${features}/f0.scp")
    [ "${source}" != score ] || step+=(--score_scp "${eval_tokens}/score_frames.scp")
    in_shards "${inference_nj}" "${out}/logs/vocoder_inference" "${step[@]}"
    if [ "${inference_nj}" -eq 1 ]; then
      spawn "${out}" "${made}" "${sharded[@]}"
    else
      "${sharded[@]}"
      "${decode_launch[@]}" "${inference_gpu[@]}" "${out}/logs/merge.log" "${step[@]}" --merge
      mark "${out}" "${made}"
    fi
  done
  drain
  end
fi

fit_judges() {
  local made
  made=$(digest 14 "$(made_of "${all_sets[@]/#/${dumpdir}/raw/}")" \
    "$(contents "${scoring_config}")" "${judge_args}" "${test_sets}" "${prompt_sets}")
  if todo "${judges_dir}" "${made}"; then
    local centroids=() set
    for set in "${prompt_list[@]}" "${test_list[@]}"; do centroids+=("${dumpdir}/raw/${set}"); done
    # A synthetic corpus knows its F0: there the F0 extractor has to show that it can judge.
    local qualify=() known="${dumpdir}/raw/${test_list[0]}"
    [ ! -f "${known}/true_f0.scp" ] || qualify=(--qualify_dir "${known}")
    "${cuda_launch[@]}" "${judges_dir}/logs/fit_judges.log" \
      "${run_module[@]}" espnet2_ext.bin.fit_judges --data_dir "${dumpdir}/raw/${train_set}" \
      --dev_dir "${dumpdir}/raw/${valid_set}" --out_dir "${judges_dir}" --config "${scoring_config}" \
      --centroid_dirs "${centroids[@]}" "${qualify[@]}" "${judge_words[@]}"
    mark "${judges_dir}" "${made}"
  fi
}

if [ "${branch}" = lm ] && [ "${stop_stage}" -ge 14 ] && ! "${skip_eval}"; then
  begin 14 "judges" "${dumpdir}/raw/{${train_set},${valid_set}}" "${judges_dir}"
  fit_judges
  end
fi

if runs 14; then
  begin 14 "scoring" "${dumpdir}/raw/<set>, wavs of stage 13" \
    "${judges_dir}, ${scores_dir}/<row>/<set>: summary.json, ${expdir}/{results.json,RESULTS.md}"
  fit_judges
  lock "$(lock_of "${scores_dir}")"
  # One line per system and split, for one process that loads the judges once.
  mkdir -p -- "${scores_dir}/wav_scp"
  table="${scores_dir}/systems.tsv"
  printf '%s\t%s\t%s\t%s\t%s\t%s\n' system split ref_dir wav_scp timing f0_source > "${table}.part"
  rendered=()
  for system in ground_truth "${systems[@]}"; do
    for set in "${test_list[@]}"; do
      real="${dumpdir}/raw/${set}"
      if [ "${system}" = ground_truth ]; then
        wav_scp="${real}/wav.scp"
        rendered+=("${real}")
        source=recording
      else
        wav_scp="${scores_dir}/wav_scp/${system}.${set}.scp"
        rendered+=("$(wavs_of "${system}")")
        source=$(f0_source_of "${system}")
        for needed in "${real}" "$(wavs_of "${system}")"; do
          [ -f "${needed}/wav.scp" ] || fail "${needed}: no wav.scp, which stage 14 reads: run stages 1 to 13 first, with the same options"
        done
        awk 'NR == FNR { of_set[$1]; next } $1 in of_set' "${real}/wav.scp" "$(wavs_of "${system}")/wav.scp" > "${wav_scp}"
      fi
      printf '%s\t%s\t%s\t%s\t%s\t%s\n' "${system}" "${set}" "${real}" "${wav_scp}" label "${source}" >> "${table}.part"
    done
  done
  mv -- "${table}.part" "${table}"
  # Scoring looks again where a measure may be new or changed, and measures what is.
  measures=("${MAIN_ROOT}"/espnet2_ext/evaluation/measures.py "${MAIN_ROOT}"/espnet2_ext/metrics/*.py)
  made=$(digest 14s "$(made_of "${judges_dir}" "${rendered[@]}")" "$(contents "${scoring_config}" "${table}" "${measures[@]}")" "${score_args}")
  if todo "${scores_dir}" "${made}"; then
    "${decode_launch[@]}" --num_threads "${nj}" "${scores_dir}/logs/score.log" \
      "${run_module[@]}" espnet2_ext.bin.score --table "${table}" \
      --scores_dir "${scores_dir}" --judges_dir "${judges_dir}" --config "${scoring_config}" \
      --nj "${nj}" "${score_words[@]}"
    mark "${scores_dir}" "${made}"
  fi
  "${train_launch[@]}" "${scores_dir}/logs/results.log" \
    "${run_module[@]}" espnet2_ext.bin.results --scores_dir "${scores_dir}" \
    --judges_dir "${judges_dir}" --out_dir "${expdir}"
  unlock "$(lock_of "${scores_dir}")"
  cat "${expdir}/RESULTS.md"
  end
fi

if runs 15; then
  begin 15 "report" "${expdir}/results.json, wavs and features of every row, training logs" \
    "${expdir}/report/index.html"
  out="${expdir}/report"
  made=$(digest 15 "$(made_of "${scores_dir}" "${lm_exp}" "${flow_exp}" "${vocoder_exp}")" "${report_utts}")
  if todo "${out}" "${made}"; then
    "${train_launch[@]}" "${out}/logs/report.log" \
      "${run_module[@]}" espnet2_ext.bin.report --results "${expdir}/results.json" \
      --table "${scores_dir}/systems.tsv" --scores_dir "${scores_dir}" --judges_dir "${judges_dir}" \
      --mel_config "${mel_config}" --rolled_score "${lm_exp}/rolled_score/rolled_score.json" \
      --exp_dirs "${lm_exp}" "${flow_exp}" "${vocoder_exp}" "${duration_exp}" \
      --max_utts "${report_utts}" --title "${corpus_name}: SLM-SVS" --out_dir "${out}"
    mark "${out}" "${made}"
  fi
  log "report: ${out}/index.html"
  end
fi

if runs 16; then
  begin 16 "pack" "${lm_exp}, ${flow_exp}, ${vocoder_exp}, ${duration_exp}, ${tokenizer_dir}, ${vocabulary}" \
    "${expdir}/packed/${pack_name}.zip"
  out="${expdir}/packed"
  made=$(digest 16 "$(made_of "${lm_exp}" "${flow_exp}" "${vocoder_exp}" "${duration_exp}")" "${pack_name}" \
    "$(contents "${inference_config}" "${flow_inference_config}")" \
    "$(contents "${expdir}/results.json" 2>/dev/null || true)")
  if todo "${out}" "${made}"; then
    results=()
    [ ! -f "${expdir}/results.json" ] || results=(--results "${expdir}/results.json")
    "${train_launch[@]}" "${out}/logs/pack.log" \
      "${run_module[@]}" espnet2_ext.bin.pack \
      --speechlm_dir "${lm_exp}" --speechlm_file "${inference_model}" \
      --flow_dir "${flow_exp}" --flow_file "${flow_model}" \
      --vocoder_dir "${vocoder_exp}" --vocoder_file "${vocoder_model}" \
      --duration_dir "${duration_exp}" --duration_file "${duration_model}" \
      --decode_config "${inference_config}" --sampling_config "${flow_inference_config}" \
      --tokenizer_dir "${tokenizer_dir}" --vocabulary_dir "${vocabulary}" \
      --tokens_dir "${tokens}/${train_set}" --data_dir "${dumpdir}/raw/${train_set}" \
      "${results[@]}" --name "${pack_name}" --corpus "${corpus_name}" \
      --command "run.sh ${called_with[*]}" --out "${out}/${pack_name}.zip"
    mark "${out}" "${made}"
  fi
  log "packed model: ${out}/${pack_name}.zip"
  if [ -n "${hf_repo}" ]; then
    utils/guard.py "${run_module[@]}" espnet2_ext.bin.hub upload "${out}/${pack_name}.zip" "${hf_repo}"
  fi
  end
fi

log "finished in ${SECONDS} s"
