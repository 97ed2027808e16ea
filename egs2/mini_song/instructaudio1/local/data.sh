#!/usr/bin/env bash
# Data preparation: makes the synthetic corpus, then its data directories.
# Reads nothing, or a SoundFont. Writes ${corpus_dir}/ and
# data/{train,dev,test,test_phrasing,test_combination}/; also ${corpus_dir}_judges/ and data/judges/, songs and
# speech of other speakers that the judges learn from, and no model.
set -euo pipefail

song_minutes=60    # songs in all sets together (min)
speech_minutes=30  # speech and dialogues in all sets together (min)
judge_song_minutes=80     # the same of what judges learn from (min); 0: no data/judges
judge_speech_minutes=110
speakers=24        # who speak and sing: of each gender and age three
seed=0             # the same seed gives the same samples
fs=24000           # sampling rate of the corpus (Hz)
soundfont=         # SoundFont that plays the instruments (the package tinysoundfont)
size=default       # debug: two minutes of songs and one of speech by four speakers
nj=2               # parallel processes
corpus_dir=${datadir:+$(dirname -- "${datadir}")/}downloads/mini_song

log() { echo "$(date '+%Y-%m-%dT%H:%M:%S') (data.sh) $*"; }
help_message="Usage: local/data.sh [--size default|debug] [--song_minutes 60] [--speech_minutes 30]
    [--judge_song_minutes 80] [--judge_speech_minutes 110] [--speakers 24] [--seed 0] [--fs 24000] [--soundfont FILE] [--nj 2]
    [--corpus_dir downloads/mini_song]"

. ./path.sh
. utils/parse_options.sh

if [ $# -ne 0 ]; then
    log "${help_message}"
    log "error: no positional arguments are taken: $*"
    exit 2
fi
case ${size} in
    default) ;;
    debug) song_minutes=2 speech_minutes=1 judge_song_minutes=0 speakers=4 ;;
    *) log "error: --size ${size} (expected default or debug)" >&2; exit 2 ;;
esac

make() { # make DIR SEED SONG_MINUTES SPEECH_MINUTES
  log "synthetic corpus: $3 min of songs, $4 min of speech -> $1"
  "${PYTHON:-python3}" -m espnet2_ext.bin.make_mini_song --out "$1" --song_minutes "$3" --speech_minutes "$4" \
      --speakers "${speakers}" --seed "$2" --fs "${fs}" ${soundfont:+--soundfont "${soundfont}"} --nj "${nj}"
}
make "${corpus_dir}" "${seed}" "${song_minutes}" "${speech_minutes}"
[ "${judge_song_minutes}" = 0 ] || make "${corpus_dir}_judges" "$((seed + 1))" "${judge_song_minutes}" "${judge_speech_minutes}"

log "data directories: ${corpus_dir} -> ${datadir:-data}/"
"${PYTHON:-python3}" -m espnet2_ext.bin.prepare mini_song --corpus "${corpus_dir}" --out "${datadir:-data}"
[ "${judge_song_minutes}" != 0 ] || exit 0
"${PYTHON:-python3}" -m espnet2_ext.bin.prepare mini_song --corpus "${corpus_dir}_judges" --out "${datadir:-data}/judges_sets"
"${PYTHON:-python3}" -m espnet2_ext.bin.data combine --out_dir "${datadir:-data}/judges" \
    --in_dirs "${datadir:-data}"/judges_sets/{train,dev,test,test_phrasing,test_combination}
