# shellcheck shell=bash
# What a numbered stage is made of: is it asked for, which of its steps are done already, what runs
# side by side, through which launcher. Sourced by the templates and by the scripts beside them; reads
# their stage, stop_stage, skip_*, nj and branch_stages.
# shellcheck disable=SC2034,SC2154
. "$(dirname "${BASH_SOURCE[0]}")/locks.sh"

# Which stages each of --skip_data_prep, --skip_train, --skip_eval and --skip_packing is about: those of
# the speech LM's template; one with other stages says so before it sources this.
: "${data_stages=1 2 3 4 5 6}" "${training_stages=7 8 10 12}" "${eval_stages=9 11 13 14 15}" "${packing_stages=16}"

# What cmd.sh names, as words, and what inference asks of it.
use_launchers() {
  inference_gpu=()
  [ "${device}" != cuda ] || inference_gpu=(--gpu 1)
  read -ra train_launch <<< "${train_cmd:?}"
  read -ra cuda_launch <<< "${cuda_cmd:?}"
  read -ra decode_launch <<< "${decode_cmd:?}"
  run_module=("${python}" -m)
}

# Tag of a configuration: train_flow_debug.yaml with "--max_epoch 3" gives debug_max_epoch_3.
tag_of() { # tag_of KIND CONFIG WORDS...
  local kind=$1 name
  name=$(basename "$2" .yaml)
  name=${name#train_}
  name=${name#decode_}
  name=${name#"${kind}"}
  name=${name#_}
  shift 2
  name=$(tr -cs 'A-Za-z0-9.=\n-' '_' <<< "${name:-default} $*" | sed 's/_--/_/g; s/_*$//')
  echo "${name}"
}

# A branch is the template, started again for the stages that it may run, beside other branches: two
# trainings use two cores that one alone would not. The stages may be words, which runs is not asked for.
branch_out() { # branch_out NAME...: runs these branches, with --branch NAME, and waits for them
  local name
  for name in "$@"; do
    utils/guard.py bash "$0" "${called_with[@]}" --branch "${name}" &
    spawned+=("$!"$'\t-\t-')
  done
  drain
}
in_branch() { # in_branch [NAME STAGES]...: a run with --branch NAME runs its stages, and no others
  [ -n "${branch}" ] || return 0
  while [ $# -gt 0 ] && [ "${branch}" != "$1" ]; do shift 2; done
  [ $# -gt 0 ] || fail "--branch is set by --parallel_stages alone"
  branch_stages=" $2 "
  if [ "${nj}" -gt 1 ]; then nj=$((nj / 2)); fi
}
branches() { # branches FIRST LAST: are there branches, of a run of stages between these?
  "${parallel_stages}" && [ -z "${branch}" ] && [ "${stage}" -le "$2" ] && [ "${stop_stage}" -ge "$1" ] && ! "${skip_train}"
}
judges_in_branch() { # judges_in_branch N: the judges of stage N are fitted in a branch that has the word
  [[ ${branch_stages} == *" judges "* ]] && [ "${stop_stage}" -ge "$1" ] && ! "${skip_eval}" || return 0
  start_stage "$1" "judges" "${dumpdir}/raw/{${train_set},${valid_set}}" "${judges_dir}"
  fit_judges
  end
}

runs() { # runs N: does stage N run?
  [ "${stage}" -le "$1" ] && [ "$1" -le "${stop_stage}" ] || return 1
  [[ ${branch_stages} == *" $1 "* ]] || return 1
  case " ${data_stages} : ${training_stages} : ${eval_stages} : ${packing_stages} " in
    *" $1 "*:*:*:*) ! "${skip_data_prep}" ;;
    *:*" $1 "*:*:*) ! "${skip_train}" ;;
    *:*:*" $1 "*:*) ! "${skip_eval}" ;;
    *) ! "${skip_packing}" ;;
  esac
}
need_files() { # need_files [N FILE]...: what the stages to run read, before the first of them starts
  while [ $# -gt 0 ]; do
    if runs "$1" && [ ! -f "$2" ]; then fail "$2: no such file (read by stage $1)"; fi
    shift 2
  done
}
begin() { # begin N TITLE READS WRITES: says so, if stage N runs
  runs "$1" || return 1
  start_stage "$@"
}
# Seconds of processor time of all that this script has started and seen end.
cpu_sec() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); printf "%d", ($14 + $15) / hz }' "/proc/$$/stat"; }
start_stage() {
  this_stage=$1 cpu_sec_before=$(cpu_sec)
  did_something=false
  log "stage $1: $2"
  log "stage $1: reads $3"
  log "stage $1: writes $4"
}
end() {
  if "${did_something}"; then
    log "stage ${this_stage}: done (${SECONDS} s since the start; the stage took $(($(cpu_sec) - cpu_sec_before)) s of CPU time)"
  else log "stage ${this_stage}: done before, nothing to do"; fi
}

# What a step was made from, as one short word: options, and files by their content.
digest() { # digest WORD...; of a step with an input that is not there, what made_of says of it
  local lacks
  lacks=$(printf '%s\n' "$@" | sed -n '/^lacks: /{p;q}')
  if [ -n "${lacks}" ]; then echo "${lacks}"; return; fi
  printf '%s\n' "$@" | sha256sum | cut -c 1-16
}
contents() { cat -- "$@" | sha256sum | cut -c 1-16; }
# Digest that an earlier step left in its output folder; a step's own digest includes those. A folder
# that no step made (a model from elsewhere) has none.
made_of() {
  local dir
  for dir in "$@"; do
    if [ ! -d "${dir}" ]; then printf 'lacks: %s: no such folder\n' "${dir}"
    elif [ -f "${dir}/.begun" ]; then printf 'lacks: %s: not finished\n' "${dir}"
    else cat -- "${dir}/.done" 2>/dev/null || echo "unknown"; fi
  done
}

# step [OPTIONS] NAME OUT INPUT... -- COMMAND...: COMMAND makes the folder OUT, unless it was made
# from the same inputs before. NAME tells it from other steps with equal inputs. Inputs are groups of
#   --from DIR...    folders that other steps made, or models from elsewhere
#   --files FILE...  files, by their content
#   --with WORD...   options and other words
# and options are
#   --beside           side by side with other steps, at most nj; `drain` waits. COMMAND ends with `on`
#   --training OPTION  a training, which goes on only with what it began with; OPTION names another
#   --tell WORDS       from the logs: the lines with these words
step() {
  local beside=false training="" words="" name out made
  while [[ $1 == --* ]]; do
    case $1 in
      --beside) beside=true; shift ;;
      --training) training=$2; shift 2 ;;
      --tell) words=$2; shift 2 ;;
      *) fail "step: no option $1" ;;
    esac
  done
  name=$1 out=$2
  shift 2
  made=$(digest_of "${name}" "$@")
  while [ "$1" != -- ]; do shift; done
  shift
  step_dir=${out} step_log=""
  if [ -n "${training}" ]; then
    todo_training "${out}" "${made}" "${training}" || return 0
    step_log="${out}/train.log"
  else
    todo "${out}" "${made}" || return 0
  fi
  if "${beside}"; then spawn "${out}" "${made}" "$@"; return; fi
  "$@"
  [ -z "${words}" ] || tell "${words}" "${out}/logs/"*.log
  mark "${out}" "${made}"
}
digest_of() { # digest_of NAME INPUT... --
  local words=("$1") group=--with members=() member word
  shift
  for word in "$@"; do
    case ${word} in
      --from|--files|--with|--)
        case ${group} in
          --from) words+=("$(made_of "${members[@]}")") ;;
          --files)
            for member in "${members[@]}"; do
              [ -f "${member}" ] || words+=("lacks: ${member}: no such file")
            done
            words+=("$(contents "${members[@]}" 2>/dev/null)")
            ;;
          --with) words+=("${members[@]}") ;;
        esac
        group=${word} members=()
        [ "${word}" != -- ] || break
        ;;
      *) members+=("${word}") ;;
    esac
  done
  digest "${words[@]}"
}

# on LAUNCHER [OPTION VALUE...] NAME ARGUMENT...: one of our command lines (score, infer/flow, ...), by a
# launcher of cmd.sh:
# train, cuda, decode, or infer (decode, on a GPU if --gpu_inference says so). Options are the
# launcher's, and
#   --log FILE  default: of the step that runs it, OUT/logs/NAME.log
#   --jobs N    in shards: job K gets --shard K --num_shards N
on() {
  local -n launcher="${1/#infer/decode}_launch"
  local options=() log=${step_log:-} jobs="" word=JOB command
  [ "$1" != infer ] || options=("${inference_gpu[@]}")
  shift
  while [[ $1 == --* ]]; do
    case $1 in
      --log) log=$2 ;;
      --jobs) jobs=$2 ;;
      *) options+=("$1" "$2") ;;
    esac
    shift 2
  done
  IFS=/ read -ra command <<< "$1"
  : "${log:=${step_dir}/logs/${1/\//_}.log}"
  command=("${run_module[@]}" "espnet2_ext.bin.${command[0]}" "${command[@]:1}" "${@:2}")
  if [ -n "${jobs}" ]; then
    # Launchers put the number in place of a word: one that neither path nor option of the command holds.
    while [[ "${log} ${command[*]}" == *"${word}"* ]]; do word+=_; done
    options+=("${word}=1:${jobs}")
    log="${log%.log}.${word}.log"
    command+=(--shard "${word}" --num_shards "${jobs}")
  fi
  # Side by side, the launcher takes the place of the shell that started it, and ends when we do.
  ${spawning:+exec} "${launcher[@]}" "${options[@]}" "${log}" "${command[@]}"
}

# A step that is done leaves DIR/.done with the digest of what it was made from, so that deleting
# the folder undoes it and other inputs redo it.
# Until it is marked, or this script ends, no other run writes there.
is_done() { [ "$(cat -- "$1/.done" 2>/dev/null)" = "$2" ]; } # is_done DIR DIGEST
todo() { # todo DIR DIGEST
  local file had
  [[ $2 != "lacks: "* ]] || fail "${2#lacks: }, and read for $1: run the stage that makes it first, with the same options"
  if is_done "$@"; then return 1; fi
  file=$(lock_of "$1")
  if locked "${file}"; then had=true; else had=false; fi
  mkdir -p -- "${file%/*}"
  "${had}" || lock "${file}"
  if is_done "$@"; then # meanwhile, by another run
    "${had}" || unlock "${file}"
    return 1
  fi
  if [ -f "$1/.done" ] && [ "${this_stage:-7}" -le 6 ]; then be_alone; fi
  did_something=true
  mkdir -p -- "$1"
  rm -f -- "$1/.done" "$1/".part-* # the latter: what a killed run was writing
  : > "$1/.begun"
}
mark() { # mark DIR DIGEST
  { printf '%s\n' "$2" > "$1/.done.part"; } 2> /dev/null || fail "$1: cannot be written to (no space?)"
  mv -- "$1/.done.part" "$1/.done"
  rm -f -- "$1/.begun"
  unlock "$(lock_of "$1")"
}
# A training never goes on from a checkpoint of other data or options.
todo_training() { # todo_training DIR DIGEST TAG_OPTION
  local had
  had=$(cat -- "$1/.made_from" 2>/dev/null) || had=$2
  [[ $2 != "lacks: "* ]] || had=$2 # todo says so
  [ "${had}" = "$2" ] || fail "$1 was trained with other data or options: remove it, or name another with $3"
  todo "$1" "$2" || return 1
  rm -f -- "$1/.begun" # its best checkpoint so far may be tried out
  printf '%s\n' "$2" > "$1/.made_from"
  # A training that goes on keeps the log of what it did before.
  if [ -f "$1/train.log" ]; then mv -- "$1/train.log" "$1/train.$(date '+%Y%m%d-%H%M%S').log"; fi
}

# A YAML's number of steps is right for a corpus of some size. A larger one is trained on as many
# times longer, so that it is passed over as often; a smaller one is not trained on for less, and
# none for more than a million steps on that account: a vocoder for GPUs has 2.5 million for any corpus.
longer() { # longer CONFIG UTT2NUM_FRAMES TUNED_ON_FRAMES: options, into the array more_steps
  local key value times
  more_steps=()
  [ "$3" -gt 0 ] || return 0
  times=$(awk -v tuned_on="$3" '{ n += $2 } END { print int(n / tuned_on) }' "$2")
  times=$(awk -F ': *' -v times="${times}" -v most=1000000 '
    $1 == "num_iters_per_epoch" || $1 == "max_epoch" { value[$1] = $2 + 0 }
    END {
      steps = value["num_iters_per_epoch"] * value["max_epoch"]
      if (steps > 0 && times * steps > most) times = int(most / steps)
      print times
    }' "$1")
  [ "${times}" -gt 1 ] || return 0
  log "stage ${this_stage}: ${times} times the steps of $1, as the training set is larger"
  while IFS=': ' read -r key value; do
    value=$((value * times))
    case ${key} in
      num_iters_per_epoch) more_steps+=("--${key}" "${value}") ;;
      *) more_steps+=(--scheduler_conf "${key}=${value}") ;;
    esac
  done < <(sed 's/#.*//' "$1" | grep -oE '(num_iters_per_epoch|hold_steps|end_steps|total_steps): *[0-9]+')
}

# What the reader of the recipe should know of a log: its lines from WORDS on, each once.
tell() { # tell WORDS LOG...
  local wanted=$1 line
  shift
  while IFS= read -r line; do log "stage ${this_stage}: ${line}"; done \
    < <(grep -h -o -- "${wanted}.*" "$@" | awk '!seen[$0]++')
}

# Commands side by side, at most nj, each marking its output folder when it succeeds; `drain` waits
# for all of them. Launchers end when this script does, however it ends, and end what they started.
spawned=()
spawn_status=0
reap() { # wait for the oldest
  local pid dir made
  IFS=$'\t' read -r pid dir made <<< "${spawned[0]}"
  spawned=("${spawned[@]:1}")
  if wait "${pid}"; then
    [ "${dir}" = - ] || mark "${dir}" "${made}"
  else
    spawn_status=$?
  fi
}
drain() {
  while [ "${#spawned[@]}" -gt 0 ]; do reap; done
  if [ "${spawn_status}" -ne 0 ]; then exit "${spawn_status}"; fi
}
spawn() { # spawn DIR DIGEST COMMAND...; DIR -: nothing to mark
  local dir=$1 made=$2
  shift 2
  if [ "${#spawned[@]}" -ge "${nj}" ]; then reap; fi
  if [ "${spawn_status}" -ne 0 ]; then drain; fi
  { spawning=true; "$@"; } &
  spawned+=("$!"$'\t'"${dir}"$'\t'"${made}")
}

yaml_value() { sed -n "s/^$2:[[:space:]]*\([^#[:space:]]*\).*/\1/p" "$1"; } # yaml_value FILE KEY

# Options and paths of a recipe, for other scripts: a line NAME=VALUE each.
print_settings() { # print_settings NAME...: of those that the recipe has
  local name
  for name in "$@"; do [ -z "${!name+set}" ] || printf '%s=%s\n' "${name}" "${!name}"; done
}
read_settings() { # from standard input: sets variables, and never evaluates
  local line
  while IFS= read -r line; do
    if [[ ${line} =~ ^[a-z][a-z0-9_]*= ]]; then printf -v "${line%%=*}" '%s' "${line#*=}"; fi
  done
}
