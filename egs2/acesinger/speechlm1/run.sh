#!/usr/bin/env bash
# ACE-Opencpop (the SLM-SVS paper's corpus): 30 synthetic singers, 128 h, CC BY-NC 4.0. Stage 1 fetches
# it from huggingface.co/datasets/espnet/ace-opencpop-segments (44 GB, one shard at a time, resumed
# after a kill), or takes the shards in downloads/parquet, or the raw release in downloads.
#   ./run.sh                  SLM-SVS at the paper's size, on GPUs
#   ./run.sh --size small     the embedded recipe's models, on two cores
#   ./run.sh --size gpu       the same on one GPU, with NSF-HiFiGAN; gpu_44k, gpu_48k at those rates
#   ./run.sh --size debug     every stage with tiny models, sings noise
# Any option of speechlm_svs.sh may follow, e.g. --local_data_opts "--corpus_dir /corpora/ace".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
. utils/sizes.sh

exec ./speechlm_svs.sh --train_set train --valid_set validation --test_sets test \
  --nj "$(env -u OMP_NUM_THREADS nproc)" "${size_options[@]}" "$@"
