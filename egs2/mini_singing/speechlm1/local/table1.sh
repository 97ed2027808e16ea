#!/usr/bin/env bash
# Table 1: ESPnet's own models against ours, with the label's durations and with each system's own.
#   ./run.sh && local/table1.sh      writes exp/tables/table1.{json,md}; options: utils/tables.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec utils/tables.sh --table 1 "$@"
