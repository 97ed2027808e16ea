#!/usr/bin/env bash
# What to run where a GPU is: the GPU tests, then one table of decoding, training, flow and vocoder.
#   tools/gpu_check.sh               under 8 minutes on an H200
#   tools/gpu_check.sh --train DIR   the demo recipe at full size on the GPU, with NSF-HiFiGAN, into DIR
# Uses PYTHON (default: the virtual environment of tools/install.sh where there is one).
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [ -z "${PYTHON:-}" ]; then
  PYTHON=${root}/.venv/bin/python
  [ -x "${PYTHON}" ] || PYTHON=python3
fi
export PYTHONPATH="${root}${PYTHONPATH:+:${PYTHONPATH}}"
cd "${root}"

case ${1:-} in
  '')
    "${PYTHON}" -m pytest -m gpu -rs test
    "${PYTHON}" benchmarks/gpu_check.py --device cuda --size 1.7b
    "${PYTHON}" benchmarks/decode.py --device cuda --size 1.7b --only_targets --repeats 1
    "${PYTHON}" benchmarks/masked_decode.py --device cuda --size maskgct --bfloat16 --repeats 1
    ;;
  --train)
    [ -n "${2:-}" ] || { echo "usage: tools/gpu_check.sh --train DIR" >&2; exit 2; }
    mkdir -p "$2"
    out=$(cd "$2" && pwd)
    cd egs2/mini_singing/speechlm1
    PATH="$(dirname "${PYTHON}"):${PATH}" ./run.sh --ngpu 1 --gpu_inference true \
      --nj "$(env -u OMP_NUM_THREADS nproc)" --python "${PYTHON}" --dumpdir "${out}/dump" --expdir "${out}/exp" \
      --vocoder_config conf/tuning/train_vocoder_nsf_hifigan.yaml
    cat "${out}/exp/RESULTS.md"
    ;;
  *) echo "usage: tools/gpu_check.sh [--train DIR]" >&2; exit 2 ;;
esac
