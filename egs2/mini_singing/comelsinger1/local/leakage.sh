#!/usr/bin/env bash
# Table I of CoMelSinger (Zhao et al. 2026), after local/tables.sh: does the melody of the prompt leak into
# the singing, with and without the losses against it, and in SLM-SVS? Once with the recipe's own prompts,
# paired against unpaired, and once with two prompts an octave apart (docs/leakage.md).
#   ./run.sh && local/tables.sh && local/leakage.sh     writes exp/leakage/leakages.{json,md}
# Can be run again: what is done is kept.
# shellcheck disable=SC2034,SC2154
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

split="test test_singer"  # with the recipe's own prompts
rows="comelsinger comelsinger-no_cl_svt slm_svs"  # of local/tables.sh
octave_utts=24         # utterances that are sung with two prompts
slm_svs=../speechlm1   # the recipe whose pack is slm_svs
recipe_options=        # options of ./run.sh that the runs were made with
tables=                # of local/tables.sh; default: exp/tables
out=                   # default: exp/leakage
. utils/after_run.sh
read -ra row_list <<< "${rows}"
read -ra splits <<< "${split}"
after_recipe
: "${tables:=${expdir}/tables}"
hold_out "${expdir}/leakage"
mkdir -p -- "${out}"

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

pack_of() { # pack_of ROW: packs the models of a row, or finds the other recipe's pack; prints where
  local name="leakage_$1" words=(--stage 15 --stop_stage 15 --pack_name "leakage_$1")
  if [ "$1" = slm_svs ]; then
    (
      cd -- "${slm_svs}"
      read_settings < <(recipe --print_paths true)
      wait "$!"
      realpath -- "${expdir}/packed/${pack_name}.zip"
    )
    return
  fi
  [ "$1" = comelsinger ] || words+=(--acoustic_tag "${1#comelsinger-}")
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
