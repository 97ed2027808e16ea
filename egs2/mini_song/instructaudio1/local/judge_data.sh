#!/usr/bin/env bash
# Data preparation for the judges: songs and speech of other speakers, made as the corpus is, that no model is
# trained on. Reads nothing. Writes ${corpus_dir}/ and data_judges/judges/.
set -euo pipefail

song_minutes=80    # songs (min)
speech_minutes=110 # speech and dialogues (min)
speakers=24        # who speak and sing
seed=1             # another than the corpus has
fs=24000           # sampling rate (Hz)
nj=2               # parallel processes
corpus_dir=${datadir:+$(dirname -- "${datadir}")/}downloads/mini_song_judges

log() { echo "$(date '+%Y-%m-%dT%H:%M:%S') (judge_data.sh) $*"; }
help_message="Usage: local/judge_data.sh [--song_minutes 80] [--speech_minutes 110] [--speakers 24] [--seed 1]
    [--fs 24000] [--nj 2] [--corpus_dir downloads/mini_song_judges]"

. ./path.sh
. utils/parse_options.sh

if [ $# -ne 0 ]; then
    log "${help_message}"
    log "error: no positional arguments are taken: $*"
    exit 2
fi
out=${datadir:-data_judges}
log "synthetic corpus: ${song_minutes} min of songs, ${speech_minutes} min of speech -> ${corpus_dir}"
"${PYTHON:-python3}" -m espnet2_ext.bin.make_mini_song --out "${corpus_dir}" \
    --song_minutes "${song_minutes}" --speech_minutes "${speech_minutes}" --speakers "${speakers}" \
    --seed "${seed}" --fs "${fs}" --nj "${nj}"
"${PYTHON:-python3}" -m espnet2_ext.bin.prepare mini_song --corpus "${corpus_dir}" --out "${out}/sets"
"${PYTHON:-python3}" -m espnet2_ext.bin.data combine --out_dir "${out}/judges" \
    --in_dirs "${out}"/sets/{train,dev,test,test_phrasing,test_combination}
