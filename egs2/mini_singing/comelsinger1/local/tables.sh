#!/usr/bin/env bash
# Tables II, III and V of CoMelSinger (Zhao et al. 2026), after ./run.sh: singers of training (test) and
# singers that no training has heard (test_singer), beside SLM-SVS with the same prompts, and what each
# loss is worth. Trains stage 9 once more without each of them.
#   ./run.sh && local/tables.sh     writes exp/tables/comelsinger.{json,md}, and comelsinger_by_singer.*
# Can be run again: what is done is kept.
# shellcheck disable=SC2034,SC2154
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

split="test test_singer"  # evaluated
losses="no_cl no_scl no_fcl no_svt no_cl_svt"  # rows that lack some
slm_svs=../speechlm1   # the recipe whose run is held beside ours; empty: none
recipe_options=        # options of both ./run.sh that the runs were made with
world_utts=24          # utterances with WORLD metrics, of each set; they take the longest
out=                   # default: exp/tables
. utils/after_run.sh
read -ra splits <<< "${split}"
score_words=()
after_recipe
hold_out "${expdir}/tables"

table_rows=(ground_truth score_f0 codec_resynthesis gt_semantic+comelsinger "comelsinger(codes)" comelsinger)
for loss in ${losses}; do
  without=()
  case ${loss} in
    no_cl_svt) without=(cl svt) ;;
    *) without=("${loss#no_}") ;;
  esac
  log "training: acoustic_${loss}"
  recipe --stage 9 --stop_stage 9 --acoustic_tag "${loss}" --acoustic_args "$(printf -- '--singing_conf %s=0 ' "${without[@]}")"
  table_rows+=("comelsinger-${loss}")
done

# The folder of the wavs of a row of another recipe's run, whose paths are relative to that recipe.
wavs_of() { # wavs_of RECIPE ROW
  local folder
  folder=$(cd -- "$1" && ./run.sh "${recipe_words[@]}" --parallel_stages false --print_paths true |
    "${run_module[@]}" espnet2_ext.bin.rows table --rows "$2" --set "${eval_name}" --splits "${splits[0]}" \
      --systems "${OLDPWD}/${out}/$2.tsv")
  (cd -- "$1" && cd -- "${folder}" && pwd)
}
others=()
if [ -n "${slm_svs}" ]; then
  mkdir -p -- "${out}"
  folder=$(wavs_of "${slm_svs}" lm+flow2+voc) || fail "${slm_svs}: run its ./run.sh ${recipe_options} first, or give --slm_svs ''"
  others=(--baseline slm_svs "${folder}")
  table_rows+=(slm_svs)
fi

score_table "${out}/systems.tsv" "${out}/scores" \
  --table tables --rows "${table_rows[@]}" --set "${eval_name}" "${others[@]}"
compare=("${run_module[@]}" espnet2_ext.bin.report ablation --scores_dir "${out}/scores" --split "${splits[@]}"
  --systems "${table_rows[@]}" --against comelsinger)
utils/guard.py "${compare[@]}" --out "${out}/comelsinger.json"
utils/guard.py "${compare[@]}" --by singer --data_dirs "${splits[@]/#/${dumpdir}/raw/}" \
  --out "${out}/comelsinger_by_singer.json" > "${out}/comelsinger_by_singer.log"
log "finished in ${SECONDS} s: ${out}/comelsinger.json"
