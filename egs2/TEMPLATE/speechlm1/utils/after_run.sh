# shellcheck shell=bash
# What a script that is called after a recipe's run.sh does first: it takes its options, and loads what runs
# steps and renders rows. Sourced below the options' defaults, recipe_options among them. The script then
# calls after_recipe (rows.sh), for the settings of the run, and hold_out.
# shellcheck disable=SC2034,SC2154

log() { echo "$(date '+%Y-%m-%dT%H:%M:%S') $*"; }
fail() { echo "${0##*/}: error: $*" >&2; exit 2; }
SECONDS=0
called_with=("$@") # named by locks
: "${help_message:="Usage: local/${0##*/} [options]
Options (--name value), with their defaults:"}"
. utils/parse_options.sh
. utils/steps.sh
. utils/rows.sh
[ $# -eq 0 ] || fail "no positional arguments are taken: $*"
. ./path.sh
. ./cmd.sh

hold_out() { # hold_out DIR: where no option has set `out` it is DIR; holds its lock
  : "${out:=$1}"
  mkdir -p -- "$(dirname "${out}")"
  lock "$(lock_of "${out}")"
}
