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
# Several processes on few cores: with one thread each they do not slow each other down.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
export TOKENIZERS_PARALLELISM=false
