#!/usr/bin/env bash
# Data preparation: makes the synthetic corpus, then its data directories (all sets and speech).
# Reads nothing, or a voicebank. Writes ${corpus_dir}/ and data/{train,dev,test,...}/.
set -euo pipefail

minutes=50         # singing in all splits together (min)
speech_minutes=10  # speech of all singers together (min); a voicebank has none
cast=few           # few singers who differ little, or many with voices and habits of their own
singers=           # singers, of which the last are held out of training (8; 40 of many)
unseen=            # how many are held out (1; 8 of many)
seed=0             # the same seed gives the same scores and samples
fs=24000           # sampling rate of the corpus (Hz)
freedom=1          # how far takes of a score differ (factor on what each draws)
takes=1            # takes of each phrase of test; all but the first are the set test_takes
languages=         # of the lyrics, with commas: zh, en (zh; ja of a voicebank)
voicebank=         # folder of a UTAU voicebank that sings instead of espeak-ng, as the one singer
nj=2               # parallel processes
corpus_dir=${datadir:+$(dirname -- "${datadir}")/}downloads/mini_singing

log() { echo "$(date '+%Y-%m-%dT%H:%M:%S') (data.sh) $*"; }
help_message="Usage: local/data.sh [--minutes 50] [--speech_minutes 10] [--cast few] [--singers 8]
    [--unseen 1] [--seed 0] [--fs 24000] [--freedom 1] [--takes 1] [--languages zh] [--voicebank DIR]
    [--nj 2] [--corpus_dir downloads/mini_singing]"

. ./path.sh
. utils/parse_options.sh

if [ $# -ne 0 ]; then
    log "${help_message}"
    log "error: no positional arguments are taken: $*"
    exit 2
fi

source=(espeak)
if [ -n "${voicebank}" ]; then
    source=(voicebank "${voicebank}")
    speech_minutes=0
fi

log "synthetic corpus: ${minutes} min of singing, ${speech_minutes} min of speech -> ${corpus_dir}"
"${PYTHON:-python3}" -m espnet2_ext.bin.make_mini_singing --out "${corpus_dir}" \
    --minutes "${minutes}" --speech_minutes "${speech_minutes}" --cast "${cast}" \
    ${singers:+--singers "${singers}"} ${unseen:+--unseen "${unseen}"} \
    ${languages:+--languages "${languages}"} --source "${source[@]}" \
    --seed "${seed}" --fs "${fs}" --freedom "${freedom}" --takes "${takes}" --nj "${nj}"

log "data directories: ${corpus_dir} -> ${datadir:-data}/"
"${PYTHON:-python3}" -m espnet2_ext.bin.prepare mini_singing --corpus "${corpus_dir}" --out "${datadir:-data}"
