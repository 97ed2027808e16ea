#!/usr/bin/env bash
# CoMelSinger on M4Singer: 20 singers, 30 h of Mandarin songs; the authors' six test songs. Get the corpus
# first (./run.sh says where from); it is expected in downloads/m4singer.
#   ./run.sh                  MaskGCT adapted as in the paper, on GPUs; its published files in downloads/maskgct
#                             and downloads/w2v-bert-2.0 (docs/comelsinger.md, "M4Singer"). CC-BY-NC-4.0
#   ./run.sh --size small     the embedded recipe's models, on two cores
#   ./run.sh --size debug     every stage in minutes, sings noise
# Another of Table VII's adaptations: --acoustic_config conf/tuning/train_acoustic_progressive.yaml, say.
# The test songs once more with singers of OpenSinger that no training has heard:
#   ./run.sh --size SIZE --prompt_sets opensinger --test_sets "test test_opensinger" \
#     --local_data_opts "--opensinger_dir downloads/opensinger"
# Any option of comelsinger.sh may follow, e.g. --local_data_opts "--corpus_dir /corpora/m4singer".
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

embedded() { # embedded SUFFIX: the embedded recipe's configurations
  local kind
  sizes=(--transcription_inference_config conf/mini_singing/decode_transcription.yaml
    --tokenizer_config "conf/mini_singing/tokenizer$1.yaml"
    --inference_config "conf/mini_singing/decode_masked$1.yaml")
  for kind in semantic transcription pretraining acoustic vocoder duration; do
    sizes+=("--${kind}_config" "conf/mini_singing/train_${kind}$1.yaml")
  done
}

size=paper
if [ "${1:-}" = --size ]; then size=${2:-}; shift "$(($# < 2 ? $# : 2))"; fi
case ${size} in
  paper)
    embedded ""
    sizes+=(--ngpu 1 --gpu_inference true
      --tokenizer_config conf/tuning/paper_tokenizer.yaml
      --semantic_config conf/tuning/paper_train_semantic.yaml
      --transcription_config conf/mini_singing/tuning/paper_train_transcription.yaml
      --pretraining_config "" # MaskGCT is pretrained
      --acoustic_config conf/tuning/train_acoustic_lora.yaml
      --inference_config conf/tuning/paper_decode_masked.yaml
      --vocoder_config ../../mini_singing/speechlm1/conf/tuning/train_vocoder_nsf_hifigan.yaml)
    ;;
  small) embedded ""; sizes+=(--tuned_on_frames 150000) ;; # the 50 minutes that the embedded recipe trains on
  debug) embedded _debug; sizes+=(--scoring_config conf/mini_singing/scoring_debug.yaml) ;;
  *) echo "run.sh: error: --size ${size} (expected paper, small or debug)" >&2; exit 2 ;;
esac

exec ./comelsinger.sh --train_set train --valid_set dev --test_sets test \
  --nj "$(env -u OMP_NUM_THREADS nproc)" "${sizes[@]}" "$@"
