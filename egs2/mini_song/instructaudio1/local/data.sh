#!/usr/bin/env bash
# Data preparation: makes the synthetic corpus, then its data directories.
# Reads nothing, or a SoundFont. Writes ${corpus_dir}/ and
# data/{train,dev,test,test_phrasing,test_combination}/.
set -euo pipefail

song_minutes=60    # songs in all sets together (min)
speech_minutes=30  # speech and dialogues in all sets together (min)
speakers=24        # who speak and sing: of each gender and age three
seed=0             # the same seed gives the same samples
fs=24000           # sampling rate of the corpus (Hz)
soundfont=         # SoundFont that plays the instruments (the package tinysoundfont)
size=default       # debug: two minutes of songs and one of speech by four speakers
nj=2               # parallel processes
corpus_dir=${datadir:+$(dirname -- "${datadir}")/}downloads/mini_song

log() { echo "$(date '+%Y-%m-%dT%H:%M:%S') (data.sh) $*"; }
help_message="Usage: local/data.sh [--size default|debug] [--song_minutes 60] [--speech_minutes 30]
    [--speakers 24] [--seed 0] [--fs 24000] [--soundfont FILE] [--nj 2]
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
    debug) song_minutes=2 speech_minutes=1 speakers=4 ;;
    *) log "error: --size ${size} (expected default or debug)" >&2; exit 2 ;;
esac

log "synthetic corpus: ${song_minutes} min of songs, ${speech_minutes} min of speech -> ${corpus_dir}"
"${PYTHON:-python3}" -m espnet2_ext.bin.make_mini_song --out "${corpus_dir}" \
    --song_minutes "${song_minutes}" --speech_minutes "${speech_minutes}" --speakers "${speakers}" \
    --seed "${seed}" --fs "${fs}" ${soundfont:+--soundfont "${soundfont}"} --nj "${nj}"

log "data directories: ${corpus_dir} -> ${datadir:-data}/"
"${PYTHON:-python3}" -m espnet2_ext.bin.prepare mini_song --corpus "${corpus_dir}" --out "${datadir:-data}"
