# shellcheck shell=bash
# Sourced by every script of a recipe, from the recipe's directory.
MAIN_ROOT=$(cd ../../.. && pwd)
export MAIN_ROOT
# The environment of tools/install.sh, unless one is named or active already.
if [ -n "${ESPNET2_EXT_VENV:-}" ]; then
  # shellcheck disable=SC1091
  . "${ESPNET2_EXT_VENV}/bin/activate"
elif [ -z "${VIRTUAL_ENV:-}${CONDA_PREFIX:-}" ] && [ -f "${MAIN_ROOT}/.venv/bin/activate" ]; then
  # shellcheck disable=SC1091
  . "${MAIN_ROOT}/.venv/bin/activate"
fi
export PATH="${PWD}/utils:${PATH}"
export PYTHONPATH="${MAIN_ROOT}${PYTHONPATH:+:${PYTHONPATH}}"
export PYTHONIOENCODING=UTF-8 PYTHONUNBUFFERED=1
export LC_ALL=C
# One thread for each process, whatever the shell or the cluster had set: a sum that threads share is
# rounded differently for every number of them. Several processes use the cores (--nj, --train_procs).
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
export TOKENIZERS_PARALLELISM=false
