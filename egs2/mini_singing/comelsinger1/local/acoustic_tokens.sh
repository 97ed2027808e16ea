#!/usr/bin/env bash
# How many codebooks of mel_rvq are worth their tokens, after ./run.sh: dev through the first 1, 2, 4, 6
# and 8 of them and the run's vocoder, by the run's judges. docs/tokenizer.md has the table.
#   local/acoustic_tokens.sh                      exp/tables/acoustic_tokens.{json,md}
#   local/acoustic_tokens.sh --codebooks "1 3" --recipe_options "--size debug"
# A row's name says how many tokens a second it has. Each codebook quantises what those before it left, so
# that the first N of one fit are the codebooks of a fit of N. Can be run again: what is done is kept.
# shellcheck disable=SC2034,SC2154
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

split=dev              # the choice is made on it
codebooks="1 2 4 6 8"  # rows, rising; the last is how many are fitted
against=4              # the row that the others are held against
world_utts=16          # utterances with WORLD metrics
recipe_options=        # options of ./run.sh that the run was made with
out=                   # default: exp/tables
. utils/after_run.sh
read -ra numbers <<< "${codebooks}"
splits=("${split}") score_words=()
after_recipe
: "${out:=${expdir}/tables}"
for needed in "${dumpdir}/raw/${split}" "${vocoder_exp}" "${judges_dir}"; do
  [ -f "${needed}/.done" ] || fail "no ${needed}: run ./run.sh ${recipe_options} first"
done
work="${expdir}/acoustic_tokens" fps=$(yaml_value "${tokenizer_dir}/mel.yaml" fps)
mkdir -p -- "${work}" "${out}"
lock "$(lock_of "${work}")"
name_of() { echo "$1_codebooks($(($1 * fps))_per_sec)"; }

sed "s/^\( *n_codebooks:\).*/\1 ${numbers[-1]}/" "${tokenizer_dir}/config.yaml" > "${work}/tokenizer.yaml"
step 4 "${work}/tokenizer" --from "${dumpdir}/raw/${train_set}" --files "${work}/tokenizer.yaml" "${tokenizer_dir}/mel.yaml" -- \
  on train --log "${work}/logs/fit_tokenizers.log" fit/tokenizers --config "${work}/tokenizer.yaml" --mel_config "${tokenizer_dir}/mel.yaml" \
  --data_dir "${dumpdir}/raw/${train_set}" --out_dir "${work}/tokenizer" --nj "${nj}"

tokenize_split() {
  local command=(tokenize --data_dir "${dumpdir}/raw/${split}" --tokenizer_dir "${work}/tokenizer" --out_dir "${step_dir}")
  on decode "${command[@]}" --nj "${nj}"
  on decode --log "${step_dir}/logs/merge.log" "${command[@]}" --merge
}
step 5 "${work}/tokens" --from "${dumpdir}/raw/${split}" "${work}/tokenizer" -- tokenize_split

systems_config="${work}/rows.yaml"
{
  printf 'acoustic_tokens:\n  ground_truth: {wav: ground_truth}\n'
  for n in "${numbers[@]}"; do printf '  %s: {mel: %s}\n' "$(name_of "${n}")" "${work}/mel_${n}"; done
} > "${systems_config}"
for n in "${numbers[@]}"; do
  step 11c "${work}/mel_${n}" --from "${work}/tokens" "${work}/tokenizer" -- \
    on decode infer/codec --tokenizer_dir "${work}/tokenizer" --codec_ssl "${work}/tokens/codec_ssl.scp" \
    --codebooks "${n}" --output_dir "${work}/mel_${n}"
done

score_table "${work}/${split}.tsv" "${work}/scores" --table acoustic_tokens --set "${split}" --out "${work}/${split}"
utils/guard.py "${run_module[@]}" espnet2_ext.bin.report ablation --scores_dir "${work}/scores" --split "${split}" \
  --systems "${names[@]}" --against "$(name_of "${against}")" --out "${out}/acoustic_tokens.json"
log "finished in ${SECONDS} s: ${out}/acoustic_tokens.json"
