#!/usr/bin/env bash
# Make a virtual environment with the toolkit and everything it needs, at tested versions.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv="${root}/.venv"   # where the environment goes
python=                # interpreter to build it with; default: the first fitting one found
uv_version=0.13.8      # the installer itself
torch_backend=${TORCH_BACKEND:-}

help_message="usage: tools/install.sh [--venv DIR] [--python PY]
Installs espnet2-ext and its pinned dependencies into DIR (default: .venv at the root of the
repository). Needs Python 3.11 (ESPnet 202511), 3.12 or 3.13 (ESPnet 202611); no root, no compiler. A second
run takes seconds.
TORCH_BACKEND=cpu takes PyTorch's CPU wheels (no CUDA packages: 4 GB less to fetch)."

fail() { echo "install: $*" >&2; exit 1; }

while [ $# -gt 0 ]; do
  case $1 in
    --venv)   [ $# -ge 2 ] || fail "--venv needs a directory"; venv=$2; shift 2 ;;
    --python) [ $# -ge 2 ] || fail "--python needs an interpreter"; python=$2; shift 2 ;;
    -h|--help) echo "${help_message}"; exit 0 ;;
    *) fail "unknown option $1 (see --help)" ;;
  esac
done

case ${torch_backend} in
  ''|cpu|auto|cu[0-9]*) ;;
  *) fail "TORCH_BACKEND=${torch_backend} is not known: use cpu, auto, a CUDA version such as cu128, or leave it unset" ;;
esac

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }
version_of() { "$1" -c 'import platform; print(platform.python_version())' 2>/dev/null; }

mkdir -p "${venv}" 2>/dev/null || fail "cannot make ${venv}: name a directory you can write with --venv"
venv=$(cd "${venv}" && pwd)
vpython="${venv}/bin/python"

# ---- the interpreter ----
if [ -x "${vpython}" ] && fits "${vpython}"; then
  if [ -n "${python}" ]; then
    have=$(version_of "${vpython}")
    want=$(version_of "${python}") || fail "${python} does not run: name a Python 3.11, 3.12 or 3.13 with --python"
    [ "${have%.*}" = "${want%.*}" ] \
      || fail "${venv} holds Python ${have}, ${python} is ${want}: remove ${venv} or name another with --venv"
  fi
else
  if [ -n "${python}" ]; then
    have=$(version_of "${python}") || fail "${python} does not run: name a Python 3.11, 3.12 or 3.13 with --python"
    fits "${python}" || fail "${python} is Python ${have}: name a Python 3.11, 3.12 or 3.13 with --python"
  else
    for candidate in python3.11 python3.12 python3.13 python3 python \
        "${PYENV_ROOT:-${HOME}/.pyenv}"/versions/3.1[123]*/bin/python; do
      if command -v "${candidate}" >/dev/null && fits "${candidate}"; then python=${candidate}; break; fi
    done
    [ -n "${python}" ] || fail "no Python 3.11, 3.12 or 3.13 found: install one and name it with --python"
  fi
fi

# ---- nothing to do? ----
digest=$(cat "${root}"/tools/requirements*.txt "${root}/tools/overrides.txt" "${root}/setup.py" \
  "${root}/tools/install.sh" <(echo "${root} ${torch_backend}") | cksum | tr ' ' '-')
stamp="${venv}/.espnet2_ext_installed"
if [ -x "${vpython}" ] && [ -f "${stamp}" ] && [ "$(head -n 1 "${stamp}")" = "${digest}" ]; then
  echo "install: ${venv} is up to date"
  tail -n +2 "${stamp}"
  exit 0
fi

# ---- environment and uv ----
log="${venv}/install.log"
: > "${log}"
# One line that says what went wrong, from the tail of the log, and what to do.
give_up() {
  local cause
  cause=$(grep -iE 'cause|error|no solution|not found|denied|no space' "${log}" | tail -n 1 | sed 's/^[[:space:]]*//' | cut -c 1-200) || true
  fail "$1${cause:+: ${cause}} -- $2 (everything it said: ${log})"
}

if ! [ -x "${vpython}" ]; then
  "${python}" -m venv "${venv}" >>"${log}" 2>&1 \
    || give_up "${python} cannot make a virtual environment" "install its venv module or name another with --python"
fi
uv="${venv}/.uv/bin/uv"
if ! [ -x "${uv}" ] || [ "$("${uv}" --version | cut -d ' ' -f 2)" != "${uv_version}" ]; then
  echo "install: fetching uv ${uv_version}"
  { "${vpython}" -m venv "${venv}/.uv" && "${venv}/.uv/bin/python" -m pip install -q "uv==${uv_version}"; } >>"${log}" 2>&1 \
    || give_up "uv ${uv_version} cannot be installed" "check that pip reaches a package registry"
fi

# ---- packages ----
# The helper's own environment variables must not redirect the installation.
unset VIRTUAL_ENV CONDA_PREFIX
export UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-300}
espnet=202611
case $(version_of "${vpython}") in 3.11.*) espnet=202511 ;; esac
install_requirements() {
  "${uv}" pip install --python "${vpython}" --override "${root}/tools/overrides.txt" \
    -r "${root}/tools/requirements.txt" -r "${root}/tools/requirements_${espnet}.txt" "$@" >>"${log}" 2>&1
}
echo "install: packages into ${venv} (Python $(version_of "${vpython}"); the first time this takes minutes)"
if [ -n "${torch_backend}" ]; then
  # A backend's wheels live on an index of their own, which not every network reaches.
  if ! UV_HTTP_TIMEOUT=60 UV_HTTP_RETRIES=1 install_requirements --torch-backend "${torch_backend}"; then
    echo "install: TORCH_BACKEND=${torch_backend}: PyTorch's own wheels cannot be fetched here; taking the registry's default pair"
    torch_backend=
  fi
fi
if [ -z "${torch_backend}" ]; then
  install_requirements || give_up "the packages of tools/requirements.txt cannot be installed" \
    "check the network and the disk (6 GB), then run this again"
fi
"${uv}" pip install --python "${vpython}" --no-deps --no-build-isolation -e "${root}" >>"${log}" 2>&1 \
  || give_up "espnet2-ext itself cannot be installed" "run this again from a clean checkout"

# ---- import everything once ----
# Bytecode is written even where the environment forbids it (container images do): without it every
# command compiles all that it imports anew.
echo "install: importing everything once"
versions=$(cd "${root}" && env -u PYTHONDONTWRITEBYTECODE "${vpython}" tools/check_install.py 2>>"${log}") \
  || fail "$(echo "${versions}" | tail -n 1) -- remove ${venv} and run this again (everything it said: ${log})"
printf '%s\n%s\n' "${digest}" "${versions}" > "${stamp}.part"
mv "${stamp}.part" "${stamp}"
echo "${versions}"
echo "install: done; source ${venv}/bin/activate"
