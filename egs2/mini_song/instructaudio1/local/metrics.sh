# shellcheck shell=bash
# The metrics that tables of described sound test and show. Sourced by local/tables.sh and local/sampling.sh.
# shellcheck disable=SC2034
metrics=(per song_per speech_per melody_corr melody_acc lsd_db mcd_db singer_sim
  acc_gender acc_age acc_emotion acc_style acc_accent acc_dialogue acc_genre acc_instruments acc_rhythm acc_atmosphere)
