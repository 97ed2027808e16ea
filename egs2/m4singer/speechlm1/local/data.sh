#!/usr/bin/env bash
# Data preparation: ${corpus_dir} (M4Singer as published) -> data/{train,dev,test}, and with
# ${opensinger_dir} data/{opensinger,test_opensinger}.
set -euo pipefail

corpus_dir=downloads/m4singer
opensinger_dir=        # OpenSinger as published: prompts, and the test songs for its singers
split=authors          # authors: their test songs; espnet: 100 utterances each, drawn
phones=opencpop        # opencpop: as lyrics are read; own: M4Singer's, for its scores alone
note_durations=summed  # of a syllable's phones: summed to its note, or repeated
max_bad=0.05           # share of the items that may be bad; data/rejected.txt names them
# shellcheck disable=SC2034
nj=1                   # every recipe gives it; nothing here is worth sharing out

help_message="Usage: local/data.sh [--corpus_dir downloads/m4singer] [--opensinger_dir DIR]
    [--split authors|espnet] [--phones opencpop|own] [--note_durations summed|repeated] [--max_bad 0.05]"
. ./path.sh
. utils/parse_options.sh
[ $# -eq 0 ] || { echo "data.sh: error: no positional arguments are taken: $*" >&2; exit 2; }

prompts=()
[ -z "${opensinger_dir}" ] || prompts=(--prompts "${opensinger_dir}")
"${PYTHON:-python3}" -m espnet2_ext.bin.prepare m4singer --corpus "${corpus_dir}" --out "${datadir:-data}" \
  --split "${split}" --phones "${phones}" --note_durations "${note_durations}" \
  --max_bad "${max_bad}" "${prompts[@]}"
