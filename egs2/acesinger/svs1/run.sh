#!/usr/bin/env bash
# SVS models on ACE-Opencpop (score_regression xiaoicesing_mel visinger2). Needs stages 1-5 of
# ../speechlm1/run.sh, of the same size. The size of the paper is untried: it needs GPUs.
#   ./run.sh                  on the paper's tokens and mel, on a GPU
#   ./run.sh --size small     as the embedded recipe, on two cores
# Any option of svs.sh may follow.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

size=paper systems="score_regression xiaoicesing_mel visinger2"
options=(--train_set train --valid_set validation --test_sets test)
. utils/systems.sh
case ${size} in
  paper)
    options+=(--mel_config ../speechlm1/conf/mini_singing/tuning/paper_mel.yaml --ngpu 1 --gpu_inference true
      --train_args "--batch_size 16 --num_iters_per_epoch 1000 --max_epoch 100")
    run_systems conf/mini_singing ""
    ;;
  small)
    options+=(--tuned_on_frames 150000) # as ../speechlm1/utils/sizes.sh
    run_systems conf/mini_singing ""
    ;;
  *) echo "run.sh: error: --size ${size} (expected paper or small)" >&2; exit 2 ;;
esac
