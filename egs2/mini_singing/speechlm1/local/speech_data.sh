#!/usr/bin/env bash
# Speech for pretraining: spoken by the embedded corpus' singers but the held-out ones.
# Reads nothing. Writes ${corpus_dir}/ and data/{speech_train,speech_dev}/.
set -euo pipefail

speech_minutes=40  # speech of all singers together (min)
cast=few           # as in local/data.sh; of many, each seed has voices of its own: none of the corpus'
seed=1             # not the corpus' own: its speech gives the prompts
nj=2               # parallel processes
corpus_dir=downloads/mini_speech
help_message="Usage: local/speech_data.sh [--speech_minutes 40] [--cast few] [--seed 1]
    [--nj 2] [--corpus_dir downloads/mini_speech]"

. ./path.sh
. utils/parse_options.sh
python=${PYTHON:-python3}

"${python}" -m espnet2_ext.bin.make_mini_singing --out "${corpus_dir}" --minutes 0.5 \
    --speech_minutes "${speech_minutes}" --cast "${cast}" --seed "${seed}" --nj "${nj}"
"${python}" -m espnet2_ext.bin.prepare opencpop --corpus "${corpus_dir}" --out "${corpus_dir}/data"

# Singers held out of singing are held out of speech too; every 20th utterance is for validation.
from="${corpus_dir}/data/speech"
mapfile -t singers < <(awk -F '\t' '$(NF - 1) == "training" { print $1 }' "${corpus_dir}/singers.tsv")
"${python}" -m espnet2_ext.bin.data subset --in_dir "${from}" --out_dir "${from}_known" \
    --speakers "${singers[@]}"
awk 'NR % 20 == 0' "${from}_known/text" > "${from}_known/dev_list"
awk 'NR % 20 != 0' "${from}_known/text" > "${from}_known/train_list"
for set in train dev; do
  "${python}" -m espnet2_ext.bin.data subset --in_dir "${from}_known" \
      --out_dir "data/speech_${set}" --utt_list "${from}_known/${set}_list"
done
