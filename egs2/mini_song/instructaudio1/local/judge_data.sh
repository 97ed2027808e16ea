#!/usr/bin/env bash
# Data preparation for the judges: songs and speech of other speakers, made as the corpus is, that no model is
# trained on. Reads nothing. Writes downloads/mini_song_judges/ and data_judges/judges/. Options are those of
# local/data.sh.
set -euo pipefail

out=${datadir:-data_judges}
datadir="${out}/sets" local/data.sh --song_minutes 80 --speech_minutes 110 --seed 1 \
    --corpus_dir "$(dirname -- "${out}")/downloads/mini_song_judges" "$@"
. ./path.sh
"${PYTHON:-python3}" -m espnet2_ext.bin.data combine --out_dir "${out}/judges" \
    --in_dirs "${out}"/sets/{train,dev,test,test_phrasing,test_combination}
