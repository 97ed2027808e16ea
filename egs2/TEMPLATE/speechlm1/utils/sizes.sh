# shellcheck shell=bash
# The sizes that a corpus' recipe comes in. Sourced by run.sh: takes `--size NAME` from the front of
# its arguments and sets the array size_options.
#   paper  SLM-SVS as published: GPUs, 16 kHz, a pretrained codec and SSL model (see the YAMLs)
#   small  the embedded recipe's models at 24 kHz: two cores will do, nothing is downloaded; trained as
#          many times longer as the corpus is larger than the embedded one
#   gpu    as small on one GPU, at 24 kHz, with NSF-HiFiGAN in place of the source-filter vocoder;
#          gpu_44k and gpu_48k are the same at 44.1 and 48 kHz
#   debug  the same stages with tiny models: sings noise
size=paper
if [ "${1:-}" = --size ]; then size=${2:-}; shift "$(($# < 2 ? $# : 2))"; fi

configs_of() { # configs_of DIR PREFIX SUFFIX
  size_options=(
    --tokenizer_config "$1/${2}tokenizer$3.yaml"
    --inference_config "$1/${2}decode_speechlm$3.yaml"
    --flow_config "$1/${2}train_flow$3.yaml"
    --flow_inference_config "$1/${2}decode_flow$3.yaml"
    --duration_inference_config conf/mini_singing/decode_duration.yaml
    --vocoder_config "$1/${2}train_vocoder$3.yaml"
  )
}
case ${size} in
  paper)
    configs_of conf/mini_singing/tuning paper_ ""
    size_options+=(--mel_config conf/mini_singing/tuning/paper_mel.yaml --ngpu 1 --gpu_inference true
      --train_config conf/tuning/train_slm_1.7b_zero2.yaml
      --base_vocabulary espnet/OpusLM_1.7B_Anneal
      --flow_on_samples true # the flow learns from what the LM sings
      --vocoder_f0 predictor # this flow generates no F0, and HiFi-GAN hears it in the mel
      --duration_config conf/mini_singing/train_duration.yaml)
    ;;
  small | gpu | gpu_44k | gpu_48k)
    configs_of conf/mini_singing "" ""
    size_options+=(--train_config conf/mini_singing/train_speechlm.yaml
      --tuned_on_frames 150000 # the 50 minutes that the embedded recipe trains on
      --duration_config conf/mini_singing/train_duration.yaml)
    if [ "${size}" != small ]; then
      rate=${size#gpu}
      size_options+=(--mel_config "../../../conf/mel${rate}.yaml" --ngpu 1 --gpu_inference true
        --vocoder_config "conf/mini_singing/tuning/train_vocoder_nsf_hifigan${rate}.yaml")
    fi
    ;;
  debug)
    configs_of conf/mini_singing "" _debug
    size_options+=(--train_config conf/mini_singing/train_speechlm_debug.yaml
      --duration_config conf/mini_singing/train_duration_debug.yaml
      --scoring_config conf/mini_singing/scoring_debug.yaml --score_matters false)
    ;;
  *) echo "run.sh: error: --size ${size} (expected paper, small, gpu, gpu_44k, gpu_48k or debug)" >&2; exit 2 ;;
esac
