#!/usr/bin/env bash
# Singing voice synthesis by masked generation of semantic, then acoustic tokens (CoMelSinger), stage by
# stage. Run by a corpus' run.sh, in the corpus' directory. Every stage says what it reads and writes, can
# be run again, resumes when it was killed, and says so when it has nothing to do.
# shellcheck disable=SC2034,SC2154  # options and paths are what the sourced files read
set -euo pipefail

log() { echo "$(date '+%Y-%m-%dT%H:%M:%S') (${branch:-main}) $*"; }
fail() { echo "comelsinger.sh: error: $*" >&2; exit 2; }
SECONDS=0
called_with=("$@")

# General
stage=1                # first stage to run
stop_stage=15          # last stage to run
skip_data_prep=false   # skip stages 1-5
skip_train=false       # skip stages 6-9, 11
skip_eval=false        # skip stages 10, 12-14
skip_packing=false     # skip stage 15
ngpu=0                 # GPUs of each training; 0: train on the CPU
parallel_stages=false  # stages 7-9 beside 6, 11 and the judges, which do not need each other
nj=2                   # parallel jobs of data preparation and evaluation
inference_nj=1         # shards of inference
gpu_inference=false    # infer on a GPU
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

# Tokens (stages 4-5)
tokenizer_config=conf/tokenizer.yaml
prompt_seed=0          # of the draw of each utterance's prompt
tuned_on_frames=0      # token frames for which the YAMLs' numbers of steps are right; 0: for any corpus

# Scores to semantic tokens (stage 6), singing voice transcription (7), semantic to acoustic tokens: by the
# token loss alone (8), then also by contrasts and transcription (9)
semantic_config=conf/train_semantic.yaml
semantic_args=         # more options of its training, e.g. "--max_epoch 3"
semantic_tag=          # names exp/semantic_TAG; default: from configuration and options
transcription_config=conf/train_transcription.yaml
transcription_args=
transcription_tag=
transcription_model=valid.loss.best.pth
transcription_inference_config=conf/decode_transcription.yaml
pretraining_config=conf/train_pretraining.yaml # empty: no stage 8; stage 9 starts from init_param of its YAML
pretraining_args=
pretraining_tag=
acoustic_config=conf/train_acoustic.yaml
acoustic_args=
acoustic_tag=
inference_config=conf/decode_masked.yaml
inference_tag=
inference_model=valid.loss.best.pth

# Vocoder (stages 11-12)
vocoder_config=conf/train_vocoder.yaml
vocoder_args=
vocoder_tag=
vocoder_model=valid.loss.best.pth
vocoder_f0=predictor   # of the codec's mel: predictor (from the mel) or score

# Phone durations, for scores without phone times; trained by stage 15
duration_config=conf/train_duration.yaml
duration_args=
duration_tag=
duration_model=valid.loss.best.pth
duration_inference_config=   # default: the median performance

# Scores, report, pack (stages 13-15)
scoring_config=        # default: the toolkit's conf/scoring.yaml
judge_args=            # more options of fit_judges
score_args=            # more options of score
systems_config=        # rows of the table; default: conf/systems.yaml, else the template's
row=                   # adds one row of this name, by this run's models, beside those that are there
report_utts=6          # utterances of each set in the report
corpus_name=           # corpus of origin, for the pack; default: the recipe's folder
pack_name=             # default: corpus name and tag of the acoustic model, or row
hf_repo=               # owner/name on the Hugging Face hub: stage 15 uploads the pack there
branch=                # used by --parallel_stages itself
print_paths=false      # only print, for other scripts, what is called how and where it lies: NAME=VALUE

help_message="Usage: ./run.sh [options of comelsinger.sh]
Stages: 1 data preparation, 2 format audio, 3 length filter, 4 fit tokenizers, 5 tokenize,
6 training of scores to semantic tokens, 7 training of the transcription, 8 pretraining of semantic to
acoustic tokens, 9 their training with contrasts and transcription, 10 token inference and the transcription's
report, 11 vocoder training, 12 mel and wavs, 13 scoring, 14 report, 15 phone durations and pack.
Options (--name value), with their defaults:"

data_stages="1 2 3 4 5" training_stages="6 7 8 9 11" eval_stages="10 12 13 14" packing_stages="15"
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
: "${scoring_config:=${MAIN_ROOT}/conf/scoring.yaml}"
: "${systems_config:=$([ ! -f conf/systems.yaml ] || echo conf/systems.yaml)}"
: "${systems_config:=../../TEMPLATE/comelsinger1/conf/systems.yaml}"
: "${corpus_name:=$(basename "$(dirname "${PWD}")")}"
for option in local_data_opts semantic_args transcription_args pretraining_args acoustic_args duration_args vocoder_args judge_args score_args; do
  read -ra "${option%_*}_words" <<< "${!option}"
done
read_sets
: "${semantic_tag:=$(tag_of semantic "${semantic_config}" "${semantic_args}")}"
: "${transcription_tag:=$(tag_of transcription "${transcription_config}" "${transcription_args}")}"
: "${pretraining_tag:=$(tag_of pretraining "${pretraining_config}" "${pretraining_args}")}"
: "${acoustic_tag:=$(tag_of acoustic "${acoustic_config}" "${acoustic_args}")}"
: "${inference_tag:=$(tag_of masked "${inference_config}" "")}"
: "${vocoder_tag:=$(tag_of vocoder "${vocoder_config}" "${vocoder_args}")}"
: "${duration_tag:=$(tag_of duration "${duration_config}" "${duration_args}")}"
: "${pack_name:=${corpus_name}_${row:-comelsinger_${acoustic_tag}}}"

name_places
semantic_exp="${expdir}/semantic_${semantic_tag}"
transcription_exp="${expdir}/transcription_${transcription_tag}"
pretraining_exp="${expdir}/pretraining_${pretraining_tag}"
acoustic_exp="${expdir}/acoustic_${acoustic_tag}"
vocoder_exp="${expdir}/vocoder_${vocoder_tag}"
duration_exp="${expdir}/duration_${duration_tag}"
use_launchers
training=(launch --ngpu "${ngpu}")
if [ "${ngpu}" -gt 0 ]; then training=(--gpu "${ngpu}" "${training[@]}"); fi
acoustic_stages="7 ${pretraining_config:+8 }9" semantic_stages="6 11 judges"
branch_stages=" 1 2 3 4 5 6 7 ${pretraining_config:+8 }9 10 11 12 13 14 15 "
in_branch acoustic "${acoustic_stages}" semantic "${semantic_stages}"

if "${print_paths}"; then
  print_settings "${row_settings[@]}" eval_tokens judges_dir datadir nj tokenize_nj tokenize_threads \
    scoring_config train_set valid_set test_sets python pack_name
  exit 0
fi
need_files 4 "${tokenizer_config}" 2 "${mel_config}" 3 "${exclude:-${mel_config}}" 6 "${semantic_config}" \
  7 "${transcription_config}" 8 "${pretraining_config:-none}" 9 "${acoustic_config}" \
  10 "${transcription_inference_config}" 10 "${inference_config}" 11 "${vocoder_config}" 13 "${scoring_config}" \
  15 "${duration_config}" ${duration_inference_config:+15 "${duration_inference_config}"}

share_data "${datadir}" "${dumpdir}"
make_dir "${expdir}"
[ -n "${branch}" ] || in_place "${datadir}" "${dumpdir}" "${expdir}"
# A mistake in the rows is told before any training.
if [ -z "${branch}" ] && [ "${stop_stage}" -ge 10 ]; then rows plan --set "${eval_name}" > /dev/null; fi
prepare_data 1
format_audio 2
filter_lengths 3
fit_tokenizers 4
tokenize 5
share_again

if branches 7 11; then
  log "stages ${acoustic_stages} (acoustic) and ${semantic_stages} (semantic) side by side"
  branch_out acoustic semantic
fi

inputs_of_trainings

# A training over tokens: its options are those that the kind's variables name, and what follows --.
train_on_tokens() { # train_on_tokens N KIND STREAM... -- COMMAND...
  local number=$1 kind=$2 config="$2_config" exp="$2_exp" more="$2_words[@]" streams=()
  shift 2
  while [ "$1" != -- ]; do streams+=("$1"); shift; done
  shift
  data_of "${streams[@]}"
  longer "${!config}" "${tokens}/${train_set}/utt2num_frames" "${tuned_on_frames}"
  step --training "--${kind}_tag" "${number}" "${!exp}" --from "${trained_on[@]}" "${tokenizer_dir}" "${begun_from[@]}" \
    --files "${!config}" --with "${!more}" "${more_steps[@]}" -- \
    on cuda "${training[@]}" espnet2_ext.bin.train "$@" --resume true --config "${!config}" "${more_steps[@]}" \
    --tokenizer_dir "${tokenizer_dir}" --output_dir "${!exp}" "${data[@]}" "${frames_of[@]}" "${!more}"
}
begun_from=()

if begin 6 "training: scores to semantic tokens" "${tokens}/{${train_set},${valid_set}}, ${tokenizer_dir}, ${semantic_config}" \
    "${semantic_exp}: config.yaml, ${inference_model}, train.log"; then
  train_on_tokens 6 semantic codec_ssl score_frames -- masked --target semantic
  end
fi

if begin 7 "training: singing voice transcription" "${tokens}/{${train_set},${valid_set}}, ${tokenizer_dir}, ${transcription_config}" \
    "${transcription_exp}: config.yaml, ${transcription_model}, train.log"; then
  train_on_tokens 7 transcription codec_ssl score_frames -- transcription
  end
fi

if begin 8 "pretraining: semantic to acoustic tokens" "${tokens}/{${train_set},${valid_set}}, ${tokenizer_dir}, ${pretraining_config}" \
    "${pretraining_exp}: config.yaml, ${inference_model}, train.log"; then
  train_on_tokens 8 pretraining codec_ssl score_frames prompt -- masked --target acoustic
  end
fi

pretrained=() begun_from=("${transcription_exp}")
if [ -n "${pretraining_config}" ]; then
  pretrained=(--init_param "${pretraining_exp}/${inference_model}") begun_from=("${pretraining_exp}" "${transcription_exp}")
fi
if begin 9 "training: semantic to acoustic tokens, with contrasts and transcription" "${tokens}/{${train_set},${valid_set}}, ${pretraining_config:+${pretraining_exp}/${inference_model}, }${transcription_exp}/${transcription_model}, ${tokenizer_dir}, ${acoustic_config}" \
    "${acoustic_exp}: config.yaml, ${inference_model}, train.log"; then
  train_on_tokens 9 acoustic codec_ssl score_frames prompt -- masked --target acoustic \
    "${pretrained[@]}" \
    --transcription_dir "${transcription_exp}" --transcription_file "${transcription_model}"
  end
fi

hears() { # how well the transcription hears the validation set
  on infer report/transcription --train_config "${transcription_exp}/config.yaml" \
    --model_file "${transcription_exp}/${transcription_model}" --inference_config "${transcription_inference_config}" \
    --token_dir "${tokens}/${valid_set}" --data_dir "${dumpdir}/raw/${valid_set}" --train_token_dir "${tokens}/${train_set}" \
    --device "${device}" --output "${step_dir}/transcription.json"
}
if begin 10 "token inference, and how well the transcription hears" "${semantic_exp}, ${acoustic_exp}, ${eval_tokens}: score_frames prompt; ${transcription_exp}, ${tokens}/${valid_set}" \
    "${acoustic_exp}/decode_${inference_tag}/${eval_name}: codec_ssl; ${transcription_exp}/heard/transcription.json"; then
  render --set "${eval_name}" --parts tokens
  step 10h "${transcription_exp}/heard" --from "${transcription_exp}" "${tokens}/${valid_set}" "${tokens}/${train_set}" \
    --files "${transcription_inference_config}" --with "${transcription_model}" "${device}" -- hears
  end
fi

train_vocoder 11

if begin 12 "mel and wavs, of the rows in ${systems_config}" "${tokenizer_dir}, ${vocoder_exp}/${vocoder_model}, tokens of stage 10" \
    "${expdir}/rows/<row>/${eval_name}: mel, wav_*/wav.scp"; then
  render --set "${eval_name}" --parts features wavs
  end
fi

judges_in_branch 13
score_rows 13
report 14 "${corpus_name}: CoMelSinger" "" "${semantic_exp}" "${transcription_exp}" ${pretraining_config:+"${pretraining_exp}"} "${acoustic_exp}" "${vocoder_exp}"

if begin 15 "phone durations, and pack" "${dumpdir}/raw/<set>, ${duration_config}; ${semantic_exp}, ${acoustic_exp}, ${transcription_exp}, ${vocoder_exp}, ${tokenizer_dir}" \
    "${duration_exp}: config.yaml, ${duration_model}; ${expdir}/packed/${pack_name}.zip"; then
  train_duration
  pack_models "${semantic_exp}" "${acoustic_exp}" "${transcription_exp}" "${vocoder_exp}" "${duration_exp}" -- \
    "${inference_config}" "${transcription_inference_config}" -- --system masked \
    --semantic_dir "${semantic_exp}" --semantic_file "${inference_model}" \
    --acoustic_dir "${acoustic_exp}" --acoustic_file "${inference_model}" --decode_config "${inference_config}" \
    --transcription_dir "${transcription_exp}" --transcription_file "${transcription_model}" \
    --transcription_config "${transcription_inference_config}"
  end
fi
log "finished in ${SECONDS} s"
