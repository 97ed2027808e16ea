#!/usr/bin/env bash
# From nothing to a singing model: install what is missing, run the embedded corpus' recipe through
# all stages, and show the score table and where to listen.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv="${root}/.venv"   # environment to run in
install=true           # false: take the environment as it is

help_message="usage: tools/demo.sh [--venv DIR] [--no_install] [OPTIONS OF run.sh]
Two cores: about half an hour. Interrupted, it goes on where it was when called again."

while [ $# -gt 0 ]; do
  case $1 in
    --venv) [ $# -ge 2 ] || { echo "demo: --venv needs a directory" >&2; exit 1; }; venv=$2; shift 2 ;;
    --no_install) install=false; shift ;;
    -h|--help) echo "${help_message}"; exit 0 ;;
    *) break ;;
  esac
done

SECONDS=0
if "${install}"; then "${root}/tools/install.sh" --venv "${venv}"; fi
recipe="${root}/egs2/mini_singing/speechlm1"
export ESPNET2_EXT_VENV=${venv}
status=0
# What runs ends with this script, also when it is killed.
"${recipe}/utils/guard.py" "${recipe}/run.sh" "$@" || status=$?
if [ "${status}" -ne 0 ]; then
  echo "demo: stopped with status ${status}; the same command goes on from there" >&2
  exit "${status}"
fi

echo
cat "${recipe}/exp/RESULTS.md"
echo
echo "report (open it in a browser): ${recipe}/exp/report/index.html"
echo "wavs sung by the model:"
cut -d ' ' -f 2- "${recipe}"/exp/scores/wav_scp/lm+flow2+voc.*.scp | xargs -d '\n' -n 1 dirname | sort -u |
  while IFS= read -r folder; do echo "  ${folder}"; done
for pack in "${recipe}"/exp/packed/*.zip; do echo "packed model: ${pack}"; done
echo "sing with it: python -m espnet2_ext.bin.sing SCORE --model PACK -o out.wav"
printf 'elapsed: %d min %d s\n' $((SECONDS / 60)) $((SECONDS % 60))
