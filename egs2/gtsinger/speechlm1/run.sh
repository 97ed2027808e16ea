#!/usr/bin/env bash
# GTSinger: 20 singers in nine languages, 80 h with techniques marked. Get the corpus first, or have
# it fetched (--local_data_opts "--download true"); it is expected in downloads/gtsinger.
#   ./run.sh                  SLM-SVS at the paper's size, on a GPU; Mandarin and English
#   ./run.sh --size small     the embedded recipe's models, on two cores
#   ./run.sh --size gpu       the same on one GPU, with NSF-HiFiGAN; gpu_44k, gpu_48k at those rates
#   ./run.sh --size debug     every stage in minutes, sings noise
# Any option of speechlm_svs.sh may follow, e.g. --local_data_opts "--languages zh,en,ko".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. utils/sizes.sh

exec ./speechlm_svs.sh --train_set train --valid_set dev --test_sets test \
  --nj "$(env -u OMP_NUM_THREADS nproc)" "${size_options[@]}" "$@"
