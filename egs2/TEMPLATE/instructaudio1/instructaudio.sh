#!/usr/bin/env bash
# Songs, speech and dialogues from a description and words, by a flow of a mel-VAE's latents (InstructAudio),
# stage by stage. Run by a corpus' run.sh, in the corpus' directory. Every stage says what it reads and
# writes, can be run again, resumes when it was killed, and says so when it has nothing to do.
# shellcheck disable=SC2034,SC2154  # options and paths are what the sourced files read
set -euo pipefail

log() { echo "$(date '+%Y-%m-%dT%H:%M:%S') (${branch:-main}) $*"; }
fail() { echo "instructaudio.sh: error: $*" >&2; exit 2; }
SECONDS=0
called_with=("$@")

# General
stage=1                # first stage to run
stop_stage=13          # last stage to run
skip_data_prep=false   # skip stages 1-4, 6
skip_train=false       # skip stages 5, 7, 9
skip_eval=false        # skip stages 8, 10-12
skip_packing=false     # skip stage 13
ngpu=0                 # GPUs of each training; 0: train on the CPU
parallel_stages=false  # stages 5-8 beside 9 and the judges, which do not need each other
nj=2                   # parallel jobs of data preparation and evaluation
inference_nj=1         # shards of inference
gpu_inference=false    # infer on a GPU
datadir=data           # data directories
dumpdir=dump           # features
expdir=exp             # models and results
python=python3         # interpreter

# Data (stages 1-4)
local_data_opts=       # options of local/data.sh
train_set=train        # names of data directories in data/
valid_set=dev
test_sets="test"       # evaluated; everything is tuned on valid_set alone
judge_data=            # script that makes more recordings for the judges to learn from, beside train_set
mel_config=            # sampling rate, frame rate, mel; default: the toolkit's conf/mel.yaml
min_wav_duration=0.5   # seconds; shorter and longer utterances of train and dev are left out
max_wav_duration=30
exclude=               # file of utterance ids to leave out of train and dev, as bin.lint writes it
tuned_on_frames=0      # mel frames for which the YAMLs' numbers of steps are right; 0: for any corpus

# Mel-VAE (stage 5); latents, and what steers their generation (stage 6)
mel_vae_config=conf/train_mel_vae.yaml
mel_vae_args=          # more options of its training, e.g. "--max_epoch 3"
mel_vae_tag=           # names exp/mel_vae_TAG; default: from configuration and options
mel_vae_model=valid.loss.best.pth
instruction_model=     # language model whose hidden states instructions are: a folder, or owner/name on the
                       # hub (the paper: Qwen/Qwen2.5-7B); default: SentencePiece ids
n_pieces=1000          # SentencePiece pieces
description_seed=0     # of the draw of each evaluated utterance's description
kinds=                 # train on these kinds alone: song, "speech dialogue"; default: all

# Flow of latents (stages 7-8)
flow_config=conf/train_latent_flow.yaml
flow_args=
flow_tag=
flow_inference_config=conf/decode_latent_flow.yaml
flow_inference_tag=
flow_model=valid.loss.best.pth

# Vocoder (stages 9-10)
vocoder_config=conf/train_vocoder.yaml
vocoder_args=
vocoder_tag=
vocoder_model=valid.loss.best.pth

# Scores, report, pack (stages 11-13)
scoring_config=conf/scoring.yaml
judge_args=            # more options of fit_judges
score_args=            # more options of score
systems_config=        # rows of the table; default: conf/systems.yaml, else the template's
row=                   # adds one row of this name, by this run's models, beside those that are there
report_utts=6          # utterances of each set in the report
corpus_name=           # corpus of origin, for the pack; default: the recipe's folder
pack_name=             # default: corpus name and tag of the flow, or row
hf_repo=               # owner/name on the Hugging Face hub: stage 13 uploads the pack there
branch=                # used by --parallel_stages itself
print_paths=false      # only print, for other scripts, what is called how and where it lies: NAME=VALUE

help_message="Usage: ./run.sh [options of instructaudio.sh]
Stages: 1 data preparation, 2 format audio, 3 length filter, 4 mels, 5 training of the mel-VAE, 6 latents,
scores, lyrics and instructions, 7 training of the flow of latents, 8 its inference, 9 vocoder training,
10 mel and wavs, 11 scoring, 12 report, 13 pack.
Options (--name value), with their defaults:"

data_stages="1 2 3 4 6" training_stages="5 7 9" eval_stages="8 10 11 12" packing_stages="13"
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
: "${systems_config:=$([ ! -f conf/systems.yaml ] || echo conf/systems.yaml)}"
: "${systems_config:=../../TEMPLATE/instructaudio1/conf/systems.yaml}"
: "${corpus_name:=$(basename "$(dirname "${PWD}")")}"
for option in local_data_opts mel_vae_args flow_args vocoder_args judge_args score_args; do
  read -ra "${option%_*}_words" <<< "${!option}"
done
read -ra kinds_words <<< "${kinds}"
prompt_sets=""
read_sets
: "${mel_vae_tag:=$(tag_of mel_vae "${mel_vae_config}" "${mel_vae_args}")}"
: "${flow_tag:=$(tag_of latent_flow "${flow_config}" "${kinds:+${kinds} alone }${flow_args}")}"
: "${flow_inference_tag:=$(tag_of latent_flow "${flow_inference_config}" "")}"
: "${vocoder_tag:=$(tag_of vocoder "${vocoder_config}" "${vocoder_args}")}"
: "${pack_name:=${corpus_name}_${row:-instructaudio_${flow_tag}}}"

name_places
tokens="${dumpdir}/mels" # what is generated here is no token; rows find the recordings' mels there
eval_tokens="${tokens}/${eval_name}"
latents="${dumpdir}/latents_${mel_vae_tag}"
described="${dumpdir}/described_${mel_vae_tag}"
described_train="${described}/${train_set}${kinds:+_${kinds// /_}}"
pieces="${expdir}/instruction_pieces"
mel_vae_exp="${expdir}/mel_vae_${mel_vae_tag}"
flow_exp="${expdir}/flow_${flow_tag}"
vocoder_exp="${expdir}/vocoder_${vocoder_tag}"
vocoder_f0=predictor
judge_dir=${judge_data:+${dumpdir}/raw/org/judges}
use_launchers
training=(launch --ngpu "${ngpu}")
if [ "${ngpu}" -gt 0 ]; then training=(--gpu "${ngpu}" "${training[@]}"); fi
flow_stages="5 6 7 8" sound_stages="9 judges"
branch_stages=" 1 2 3 4 5 6 7 8 9 10 11 12 13 "
in_branch flow "${flow_stages}" sound "${sound_stages}"

if "${print_paths}"; then
  print_settings "${row_settings[@]}" eval_tokens judges_dir datadir nj scoring_config train_set valid_set test_sets \
    python pack_name
  exit 0
fi
if runs 13 && [ -n "${instruction_model}" ]; then
  fail "a pack holds SentencePiece instructions, not a language model's: --skip_packing true"
fi
need_files 2 "${judge_data:-${mel_config}}" 2 "${mel_config}" 3 "${exclude:-${mel_config}}" 5 "${mel_vae_config}" 7 "${flow_config}" \
  8 "${flow_inference_config}" 9 "${vocoder_config}" 11 "${scoring_config}"

share_data "${datadir}" "${dumpdir}"
make_dir "${expdir}"
[ -n "${branch}" ] || in_place "${datadir}" "${dumpdir}" "${expdir}"
# A mistake in the rows is told before any training.
if [ -z "${branch}" ] && [ "${stop_stage}" -ge 8 ]; then rows plan --set "${eval_name}" > /dev/null; fi
prepare_data 1
format_audio 2
if [ -n "${judge_data}" ] && begin 2 "data of the judges" "what ${judge_data} makes" "${datadir}_judges, ${judge_dir}"; then
  step 1j "${datadir}_judges" --files "${judge_data}" -- \
    env datadir="${datadir}_judges" PYTHON="${python}" utils/run.py "${datadir}_judges/logs/data.log" "${judge_data}" --nj "${nj}"
  step 2j "${judge_dir}" --from "${datadir}_judges" --files "${mel_config}" -- \
    format_and_validate "${datadir}_judges/judges" "$(yaml_value "${mel_config}" fs)"
  end
fi
filter_lengths 3

if begin 4 "mels" "${dumpdir}/raw/<set>/wav.scp, ${mel_config}" "${tokens}/<set>: mel (ark, scp); ${eval_tokens}: the same of all test sets"; then
  no_id_twice "${dumpdir}/raw"
  for set in "${all_sets[@]}"; do
    step --beside 4 "${tokens}/${set}" --from "${dumpdir}/raw/${set}" --files "${mel_config}" -- \
      on decode infer/mel --wav_scp "${dumpdir}/raw/${set}/wav.scp" --mel_config "${mel_config}" --output_dir "${tokens}/${set}"
  done
  drain
  step 4e "${eval_tokens}" --from "${test_list[@]/#/${tokens}/}" --with "${test_sets}" -- \
    join_tables "${test_list[@]/#/${tokens}/}"
  end
fi
share_again

if branches 5 9; then
  log "stages ${flow_stages} (flow) and ${sound_stages} (sound) side by side"
  branch_out flow sound
fi

inputs_of_trainings

if begin 5 "mel-VAE training" "${tokens}/{${train_set},${valid_set}}: mel, ${mel_vae_config}" \
    "${mel_vae_exp}: config.yaml, ${mel_vae_model}, train.log"; then
  longer "${mel_vae_config}" "${tokens}/${train_set}/utt2num_frames" "${tuned_on_frames}"
  data_of mel
  step --training --mel_vae_tag 5 "${mel_vae_exp}" --from "${trained_on[@]}" --files "${mel_vae_config}" "${mel_config}" \
    --with "${mel_vae_args}" "${more_steps[@]}" -- \
    on cuda "${training[@]}" espnet2_ext.bin.train mel_vae --resume true --config "${mel_vae_config}" "${more_steps[@]}" \
    --mel_config "${mel_config}" --output_dir "${mel_vae_exp}" "${data[@]}" "${frames_of[@]}" "${mel_vae_words[@]}"
  end
fi

instruction_stream=instruction_ids how_encoded=(--pieces "${pieces}/pieces.model")
if [ -n "${instruction_model}" ]; then
  instruction_stream=instruction how_encoded=(--model "${instruction_model}" --device "${device}")
fi
describe() { # describe SET OPTION...: of bin.data descriptions
  local raw="${dumpdir}/raw/$1"
  on train --log "${step_dir}/logs/scores.log" data/latent_scores --data_dir "${raw}" --latents_dir "${latents}/$1" \
    --output_dir "${step_dir}/scores"
  on train --log "${step_dir}/logs/descriptions.log" data/descriptions --data_dir "${raw}" --tables_dir "${latents}/$1" \
    "${step_dir}/scores" --output_dir "${step_dir}" "${@:2}"
  on train --log "${step_dir}/logs/lyrics.log" data/lyrics --text "${step_dir}/lyrics.txt" --output_dir "${step_dir}"
  on cuda --log "${step_dir}/logs/instructions.log" data/instructions --text "${step_dir}/instruction.txt" \
    --output_dir "${step_dir}" "${how_encoded[@]}"
}
fit_pieces() {
  on train data/descriptions --data_dir "${dumpdir}/raw/${train_set}" --output_dir "${pieces}/texts"
  on train --log "${pieces}/logs/pieces.log" data/instructions --text "${pieces}/texts/instruction.txt" \
    --output_dir "${pieces}/texts" --n_symbols "${n_pieces}" --pieces "${pieces}/pieces.model"
}
if begin 6 "latents, scores, lyrics and instructions" "${tokens}/<set>: mel, ${mel_vae_exp}/${mel_vae_model}, ${dumpdir}/raw/<set>" \
    "${latents}/<set>: latents, latents.json; ${described}/<set>: latents score_frames lyrics_ids ${instruction_stream} (scp), described2utt"; then
  for set in "${all_sets[@]}"; do
    step --beside 6 "${latents}/${set}" --from "${tokens}/${set}" "${mel_vae_exp}" --with "${mel_vae_model}" "${device}" -- \
      on infer infer/latents --model_dir "${mel_vae_exp}" --model_file "${mel_vae_model}" \
      --mel_scp "${tokens}/${set}/mel.scp" --output_dir "${latents}/${set}" --device "${device}"
  done
  drain
  made_by=()
  if [ -z "${instruction_model}" ]; then
    step 6p "${pieces}" --from "${dumpdir}/raw/${train_set}" --with "${n_pieces}" -- fit_pieces
    made_by=(--from "${pieces}")
  fi
  step 6d "${described_train}" --from "${dumpdir}/raw/${train_set}" "${latents}/${train_set}" "${made_by[@]}" \
    --with "${instruction_model}" "${kinds}" -- describe "${train_set}" ${kinds:+--kinds "${kinds_words[@]}"}
  for set in "${valid_set}" "${test_list[@]}"; do
    step 6d "${described}/${set}" --from "${dumpdir}/raw/${set}" "${latents}/${set}" "${made_by[@]}" \
      --with "${instruction_model}" "${description_seed}" -- describe "${set}" --draw "${description_seed}"
  done
  step 6e "${described}/${eval_name}" --from "${test_list[@]/#/${described}/}" --with "${test_sets}" -- \
    join_tables "${test_list[@]/#/${described}/}"
  end
fi

# What the flow reads: latents, and whatever its conditions may.
flow_data=()
for stream in latents score_frames lyrics_ids "${instruction_stream}"; do
  flow_data+=(--train_data_path_and_name_and_type "${described_train}/${stream}.scp,${stream},kaldi_ark"
    --valid_data_path_and_name_and_type "${described}/${valid_set}/${stream}.scp,${stream},kaldi_ark")
done
if begin 7 "training of the flow of latents" "${described_train}, ${described}/${valid_set}, ${flow_config}" \
    "${flow_exp}: config.yaml, ${flow_model}, train.log"; then
  longer "${flow_config}" "${tokens}/${train_set}/utt2num_frames" "${tuned_on_frames}"
  step --training --flow_tag 7 "${flow_exp}" --from "${described_train}" "${described}/${valid_set}" --files "${flow_config}" \
    --with "${flow_args}" "${more_steps[@]}" -- \
    on cuda "${training[@]}" espnet2_ext.bin.train latent_flow --resume true --config "${flow_config}" "${more_steps[@]}" \
    --latents_json "${latents}/${train_set}/latents.json" --output_dir "${flow_exp}" "${flow_data[@]}" \
    --train_shape_file "${described_train}/utt2num_frames" --valid_shape_file "${described}/${valid_set}/utt2num_frames" \
    "${flow_words[@]}"
  end
fi

if begin 8 "inference of the flow of latents" "${flow_exp}/${flow_model}, ${described}/${eval_name}" \
    "${flow_exp}/decode_${flow_inference_tag}/${eval_name}: latents (ark, scp)"; then
  render --set "${eval_name}" --parts tokens
  end
fi

if begin 9 "vocoder training" "${tokens}/{${train_set},${valid_set}}: mel, ${dumpdir}/raw/<set>/wav.scp, ${vocoder_config}" \
    "${vocoder_exp}: config.yaml, ${vocoder_model}"; then
  data_of mel
  learn_vocoder
  end
fi

if begin 10 "mel and wavs, of the rows in ${systems_config}" "${mel_vae_exp}, ${vocoder_exp}/${vocoder_model}, latents of stage 8" \
    "${expdir}/rows/<row>/${eval_name}: mel, wav_*/wav.scp"; then
  render --set "${eval_name}" --parts features wavs
  end
fi

judges_in_branch 11
score_rows 11
report 12 "${corpus_name}: InstructAudio" "" "${mel_vae_exp}" "${flow_exp}" "${vocoder_exp}"

if begin 13 "pack" "${flow_exp}, ${mel_vae_exp}, ${vocoder_exp}, ${pieces}" "${expdir}/packed/${pack_name}.zip"; then
  results=()
  [ ! -f "${expdir}/results.json" ] || results=(--results "${expdir}/results.json")
  step 16 "${expdir}/packed" --from "${flow_exp}" "${mel_vae_exp}" "${vocoder_exp}" "${pieces}" --with "${pack_name}" \
    --files "${flow_inference_config}" ${results:+"${results[1]}"} -- \
    on train pack_described --flow_dir "${flow_exp}" --flow_file "${flow_model}" --mel_vae_dir "${mel_vae_exp}" \
    --mel_vae_file "${mel_vae_model}" --vocoder_dir "${vocoder_exp}" --vocoder_file "${vocoder_model}" \
    --sampling_config "${flow_inference_config}" --pieces "${pieces}/pieces.model" \
    --latents_json "${latents}/${train_set}/latents.json" --data_dir "${dumpdir}/raw/${train_set}" "${results[@]}" \
    --name "${pack_name}" --corpus "${corpus_name}" --command "run.sh ${called_with[*]}" --out "${expdir}/packed/${pack_name}.zip"
  log "packed model: ${expdir}/packed/${pack_name}.zip"
  [ -z "${hf_repo}" ] || utils/guard.py "${run_module[@]}" espnet2_ext.bin.hub upload "${expdir}/packed/${pack_name}.zip" "${hf_repo}"
  end
fi
log "finished in ${SECONDS} s"
