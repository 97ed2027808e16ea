#!/usr/bin/env bash
# Table 2: what each part of the recipe is worth.
#   ./run.sh && local/table2.sh      writes exp/tables/table2.{json,md}; options: utils/tables.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
exec utils/tables.sh --table 2 "$@"
