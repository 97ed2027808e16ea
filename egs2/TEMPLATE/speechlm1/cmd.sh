# shellcheck shell=bash
# Which launcher starts what, by Kaldi's convention: ${cmd} [options] JOB=1:N log.JOB command.
# A run.pl, queue.pl or slurm.pl of yours can stand in for these.
#   cmd_backend=local  this machine (default)
#   cmd_backend=slurm  job arrays; options in conf/slurm.yaml
# shellcheck disable=SC2034
case ${cmd_backend:=local} in
  local)
    train_cmd="utils/run.py"
    cuda_cmd="utils/run.py"
    decode_cmd="utils/run.py"
    ;;
  slurm)
    train_cmd="utils/slurm.py"
    cuda_cmd="utils/slurm.py"
    decode_cmd="utils/slurm.py"
    ;;
  *)
    echo "cmd.sh: error: cmd_backend=${cmd_backend} (expected local or slurm)" >&2
    exit 2
    ;;
esac
