#!/usr/bin/env bash
# Install what is missing, then check style (ruff), which room imports which (import-linter), shell
# scripts (shellcheck), that docs/ builds as a site (mkdocs) and behaviour (pytest).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv="${root}/.venv"   # environment to test in
install=true           # false: take the environment as it is
quick=false            # true: neither recipes nor tests marked slow

help_message="usage: tools/test.sh [--quick] [--venv DIR] [--no_install] [-- PYTEST_ARGUMENTS]
Runs every check even when one fails; fails if any did. --quick leaves out what takes long: recipes,
and tests that start processes or train."

pytest_args=()
while [ $# -gt 0 ]; do
  case $1 in
    --venv) [ $# -ge 2 ] || { echo "test: --venv needs a directory" >&2; exit 1; }; venv=$2; shift 2 ;;
    --no_install) install=false; shift ;;
    --quick) quick=true; shift ;;
    --) shift; pytest_args=("$@"); break ;;
    -h|--help) echo "${help_message}"; exit 0 ;;
    *) echo "test: unknown option $1 (see --help)" >&2; exit 1 ;;
  esac
done

SECONDS=0
if "${install}"; then "${root}/tools/install.sh" --venv "${venv}"; fi
cd "${root}"
export ESPNET2_EXT_VENV="${venv}" PATH="${venv}/bin:${PATH}" PYTHONPATH="${root}${PYTHONPATH:+:${PYTHONPATH}}"
# Several processes at once on few cores: one thread each, or they slow each other down many times.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

shell_scripts=()
while IFS= read -r -d '' file; do shell_scripts+=("${file}"); done \
  < <(find . \( -name '.?*' ! -name .ci -o -name exp -o -name dump -o -name downloads \) -prune \
        -o -type f \( -name '*.sh' -o -path './.ci/run' \) -print0)

summary=()
failed=false
check() { # check NAME COMMAND...
  local name=$1 start=${SECONDS} status=0
  shift
  echo "== ${name}"
  "$@" || status=$?
  if [ "${status}" -eq 0 ]; then
    summary+=("passed  ${name}  $((SECONDS - start)) s")
  else
    summary+=("FAILED  ${name}  $((SECONDS - start)) s (exit status ${status})")
    failed=true
  fi
}

check "ruff check" ruff check .
check "ruff format" ruff format --check .
check "import contracts" lint-imports --no-logo --no-cache
check "shellcheck (${#shell_scripts[@]} files)" shellcheck -x -P SCRIPTDIR -P SCRIPTDIR/.. "${shell_scripts[@]}"
if command -v mkdocs > /dev/null; then
  check "docs site" mkdocs build --strict --quiet --site-dir build/site
else
  summary+=("skipped docs site: mkdocs is not installed (extra docs)")
fi
if "${quick}"; then pytest_args=(-m "not slow" --ignore test/egs2 "${pytest_args[@]}"); fi
# Two processes, each with whole files (they share fixtures), the long recipes first (test/conftest.py):
# most tests keep one core busy. `-- -n 0` runs all in one.
check "pytest" python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=15 "${pytest_args[@]}"

echo "== summary"
printf '%s\n' "${summary[@]}"
if "${failed}"; then echo "tests failed after ${SECONDS} s"; exit 1; fi
echo "all tests passed in ${SECONDS} s"
