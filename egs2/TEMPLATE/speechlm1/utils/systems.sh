# shellcheck shell=bash
# What every run.sh of svs1 and svs2 does: it names a size, systems and options of svs.sh, and sources
# this, which takes `--size NAME` and `--system "NAMES"` from its arguments; then `run_systems` calls
# svs.sh for each system, with what is left of the arguments.
# shellcheck disable=SC2034,SC2154
rest=()
while [ $# -gt 0 ]; do
  case $1 in
    --size) size=${2:-} ;;
    --system) systems=${2:-} ;;
    *) rest+=("$1"); shift; continue ;;
  esac
  shift "$(($# < 2 ? $# : 2))"
done

run_systems() { # run_systems DIR SUFFIX: of the systems' YAMLs, DIR/train_<system>SUFFIX.yaml
  local system
  for system in ${systems}; do
    utils/guard.py ./svs.sh --system "${system}" --train_config "$1/train_${system}$2.yaml" "${options[@]}" "${rest[@]}"
  done
}
