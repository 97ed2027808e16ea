# shellcheck shell=bash
# Command-line options for a script that sources this file, by Kaldi's convention:
# `--some-name value` or `--some_name value` sets the variable some_name, which must have a default
# already; `--config FILE` reads assignments first, so that the command line wins; `--help` prints
# help_message, and the assignments before it in the script with their comments. Arguments from the first that is no option on are left in "$@".

__option_error() { echo "$(basename "$0"): error: $*" >&2; exit 2; }

# The defaults of a script, and what they mean, from `name=value  # meaning` above help_message, or above
# the first script of utils/ that it sources.
__option_help() {
  awk '
    /^help_message=/ || /^\. utils\// { exit }
    /^set -/ { options = 1 }
    !options { next }
    /^# [A-Z][^.]*$/ { header = substr($0, 3); next }
    /^[a-z][a-z0-9_]*=($|[^(])/ {
      if (header != "") { print "\n" header; header = "" }
      at = match($0, / +# /)
      meaning = at ? substr($0, at + RLENGTH) : ""
      option = at ? substr($0, 1, at - 1) : $0
      sub(/=/, " ", option)
      sub(/ +$/, "", option)
      if (meaning == "") print "  --" option
      else printf "  --%-30s%s\n", option " ", meaning
      next
    }
    /^ +# / { sub(/^ +# /, ""); printf "    %-30s%s\n", "", $0 }
  ' "$1"
}

# Where the script is, which has gone to its recipe's folder.
__script=$0
[ -r "${__script}" ] || __script="local/${0##*/}"
__i=1
while [ "${__i}" -lt $# ]; do
  if [ "${!__i}" = "--config" ]; then
    __next=$((__i + 1))
    [ -r "${!__next}" ] || __option_error "--config: cannot read ${!__next}"
    # shellcheck disable=SC1090
    . "${!__next}"
  fi
  __i=$((__i + 1))
done

while [ $# -gt 0 ]; do
  case $1 in
    --help|-h) printf '%s\n' "${help_message:-no help for $(basename "$0")}"; __option_help "${__script}"; exit 0 ;;
    --) shift; break ;;
    --config) [ $# -ge 2 ] || __option_error "--config needs a file"; shift 2 ;;
    --*=*) __option_error "$1: write the value as an argument of its own, --name value" ;;
    --*)
      __name=${1#--}
      __name=${__name//-/_}
      [[ ${__name} =~ ^[a-zA-Z][a-zA-Z0-9_]*$ ]] || __option_error "$1 is no option"
      [ -n "${!__name+set}" ] || __option_error "unknown option $1 (see --help)"
      [ $# -ge 2 ] || __option_error "$1 needs a value"
      if { [ "${!__name}" = true ] || [ "${!__name}" = false ]; } \
          && [ "$2" != true ] && [ "$2" != false ]; then
        __option_error "$1 $2: expected true or false"
      fi
      printf -v "${__name}" '%s' "$2"
      shift 2
      ;;
    *) break ;;
  esac
done
unset __i __next __name __script
