# shellcheck shell=bash
# One writer of a folder at a time. Sourced by scripts that have run_module, called_with and fail. A
# lock is a hidden file that this script has open and locked (flock), and so has all that it starts:
# it is free when they have ended, however they end. The file names the holder.
# shellcheck disable=SC2154
locked_files=()
lock_fds=()

lock_of() { # lock_of DIR: its file, beside the folder, which may be made anew; command lines have their own
  local parent=.
  [[ $1 != */* ]] || parent=${1%/*}
  echo "${parent:-/}/.${1##*/}.step.lock"
}

make_dir() { # make_dir DIR
  mkdir -p -- "$1" 2> /dev/null || fail "$1: cannot be made: name another folder (--datadir, --dumpdir, --expdir)"
}

# With WORK others who hold the lock for the same WORK may have it too. Exits where others hold it.
lock() { # lock FILE [WORK]
  local fd="" status=0 k
  for k in "${!locked_files[@]}"; do
    if [ "${locked_files[k]}" = "$1" ]; then fd=${lock_fds[k]}; fi
  done
  while :; do
    if [ -z "${fd}" ]; then
      [ -w "$1" ] || { : >> "$1"; } 2> /dev/null || fail "${1%/*}: cannot be written to"
      exec {fd}<> "$1"
      locked_files+=("$1")
      lock_fds+=("${fd}")
    fi
    "${run_module[@]}" espnet2_ext.lock "${fd}" "$1" "${2:-}" "$$" "$0 ${called_with[*]}" && return
    status=$?
    unlock "$1" keep
    fd=""
    [ "${status}" -eq 75 ] || exit "${status}" # 75: the file was replaced meanwhile
  done
}
unlock() { # unlock FILE [keep]: no longer hold it, if we do; keep: the file may be another's
  local files=() fds=() fd k
  for k in "${!locked_files[@]}"; do
    if [ "${locked_files[k]}" != "$1" ]; then
      files+=("${locked_files[k]}")
      fds+=("${lock_fds[k]}")
      continue
    fi
    [ -n "${2:-}" ] || rm -f -- "$1"
    fd=${lock_fds[k]}
    exec {fd}>&-
  done
  locked_files=("${files[@]}")
  lock_fds=("${fds[@]}")
}
locked() { # locked FILE: do we hold it?
  local file
  for file in "${locked_files[@]}"; do
    [ "${file}" != "$1" ] || return 0
  done
  return 1
}

# Data, tokens and tokenizers are shared by the runs of a folder. A run that makes any of them anew,
# which others may be reading, has to be the only one.
data_locks=()
data_alone=false
share_data() { # share_data DIR...: from now on
  local dir
  for dir in "$@"; do
    # What nobody here can write needs no lock.
    if [ -d "${dir}" ] && [ ! -w "${dir}" ]; then continue; fi
    make_dir "${dir}"
    data_locks+=("${dir}/.readers.lock")
    lock "${dir}/.readers.lock" reading
  done
}
be_alone() { # no other run may read the data
  local file
  for file in "${data_locks[@]}"; do lock "${file}"; done
  data_alone=true
}
share_again() {
  local file
  "${data_alone}" || return 0
  for file in "${data_locks[@]}"; do lock "${file}" reading; done
  data_alone=false
}

# Tables name files by whole paths. Those of a folder that was copied or moved get the paths of here.
in_place() { # in_place DIR...: data, tokens and models that belong together
  local dir here was moved=() there=()
  for dir in "$@"; do
    [ -d "${dir}" ] || continue
    there+=("${dir}")
    here=$(cd -- "${dir}" && pwd -P)
    was=$(cat -- "${dir}/.place" 2> /dev/null) || was=${here}
    if [ "${was}" != "${here}" ] && [ ! "${was}" -ef "${here}" ]; then
      [ -w "${dir}" ] || fail "${dir} was made in ${was}, its tables name files there, and it cannot be written to: copy it to where you may write"
      moved+=("${dir} (was ${was})")
    elif [ -w "${dir}" ] && [ ! -f "${dir}/.place" ]; then
      printf '%s\n' "${here}" > "${dir}/.place"
    fi
  done
  [ "${#moved[@]}" -gt 0 ] || return 0
  log "copied or moved: ${moved[*]}"
  be_alone
  utils/guard.py "${run_module[@]}" espnet2_ext.bin.data relocate "${there[@]}"
  share_again
}
