#!/usr/bin/env bash
# One task of a Slurm array: slurm_task.sh RUN_PY JOB LOG COMMAND..., submitted by slurm.py.
# Slurm keeps a copy of this script elsewhere, so everything it needs comes as an argument.
set -euo pipefail
run_py=$1
name=$2
shift 2
exec python3 "${run_py}" --max_jobs_run 1 \
  "${name}=${SLURM_ARRAY_TASK_ID}:${SLURM_ARRAY_TASK_ID}" "$@"
