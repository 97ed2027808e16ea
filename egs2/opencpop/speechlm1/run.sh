#!/usr/bin/env bash
# Opencpop: one singer, 5 h of Mandarin pop songs, the published 5 test songs. Get the corpus first
# (./run.sh says where from); it is expected in downloads/opencpop.
#   ./run.sh                  SLM-SVS at the paper's size, on a GPU
#   ./run.sh --size small     the embedded recipe's models, on two cores
#   ./run.sh --size gpu       the same on one GPU, with NSF-HiFiGAN; gpu_44k, gpu_48k at those rates
#   ./run.sh --size debug     every stage in minutes, sings noise
# Any option of speechlm_svs.sh may follow, e.g. --local_data_opts "--corpus_dir /corpora/opencpop".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. utils/sizes.sh

exec ./speechlm_svs.sh --train_set train --valid_set dev --test_sets test \
  --nj "$(env -u OMP_NUM_THREADS nproc)" "${size_options[@]}" "$@"
