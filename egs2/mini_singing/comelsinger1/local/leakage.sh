#!/usr/bin/env bash
# Table I of CoMelSinger (Zhao et al. 2026), after local/tables.sh: does the melody of the prompt leak into
# the singing, with and without the losses against it, and in SLM-SVS? Once with the recipe's own prompts,
# paired against unpaired, and once with two prompts an octave apart (docs/leakage.md).
#   ./run.sh && local/tables.sh && local/leakage.sh     writes exp/leakage/leakages.{json,md}
# Can be run again: what is done is kept.
# shellcheck disable=SC2034,SC2154
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

log() { echo "$(date '+%Y-%m-%dT%H:%M:%S') $*"; }
fail() { echo "leakage.sh: error: $*" >&2; exit 2; }
SECONDS=0
called_with=("$@") # named by locks

split="test test_singer"  # with the recipe's own prompts
rows="comelsinger comelsinger-no_cl_svt slm_svs"  # of local/tables.sh
octave_utts=24         # utterances that are sung with two prompts
slm_svs=../speechlm1   # the recipe whose pack is slm_svs
recipe_options=        # options of ./run.sh that the runs were made with
tables=                # of local/tables.sh; default: exp/tables
out=                   # default: exp/leakage
help_message="Usage: local/leakage.sh [options]
Options (--name value), with their defaults:"
. utils/parse_options.sh
. utils/steps.sh
. utils/rows.sh
[ $# -eq 0 ] || fail "no positional arguments are taken: $*"
. ./path.sh
. ./cmd.sh
read -ra row_list <<< "${rows}"
read -ra splits <<< "${split}"
after_recipe
: "${out:=${expdir}/leakage}" "${tables:=${expdir}/tables}"
mkdir -p -- "${out}"
lock "$(lock_of "${out}")"

for set in "${splits[@]}"; do
  raw="${dumpdir}/raw/${set}"
  step prompts "${out}/prompts/${set}" --from "${tokens}/${set}" -- \
    on train --log "${out}/logs/prompts.log" data/prompts --token_dir "${tokens}/${set}" --raw_dir "${dumpdir}/raw" \
    --out "${out}/prompts/${set}/wav.scp"
  for row in "${row_list[@]}"; do
    sung="${tables}/wav_scp/${row}.${set}.scp"
    [ -f "${sung}" ] || fail "${sung}: no such file: run local/tables.sh first"
    step leakage "${out}/${row}/${set}" --from "${out}/prompts/${set}" "${tables}/scores" --files "${sung}" -- \
      on train --num_threads "${nj}" report/leakage --wav_scp "${sung}" --prompt_scp "${out}/prompts/${set}/wav.scp" \
      --control_scp "${raw}/wav.scp" --data_dir "${raw}" --n_unpaired 4 --nj "${nj}" --out_dir "${out}/${row}/${set}"
  done
done

pack_of() { # pack_of ROW: packs the models of a row; prints where
  local name="leakage_$1" words=(--stage 15 --stop_stage 15 --pack_name "leakage_$1")
  case $1 in
    slm_svs) (cd -- "${slm_svs}" && realpath -- exp/packed/*.zip | head -n 1); return ;;
    comelsinger) ;;
    *) words+=(--acoustic_tag "${1#comelsinger-}") ;;
  esac
  recipe "${words[@]}" >&2
  echo "${expdir}/packed/${name}.zip"
}
for row in "${row_list[@]}"; do
  pack=$(pack_of "${row}")
  octave_prompts "${pack}" "${out}/${row}/octave" "${splits[0]}" "${octave_utts}"
done
utils/guard.py "${run_module[@]}" espnet2_ext.bin.report leakages --dir "${out}" --systems "${row_list[@]}" \
  --splits "${splits[@]}" --out "${out}/leakages.json"
log "finished in ${SECONDS} s: ${out}/leakages.json"
