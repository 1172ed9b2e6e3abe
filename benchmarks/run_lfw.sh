#!/usr/bin/env bash
# The rows of docs/results/lfw-identification.md for one surrogate.
# Usage: benchmarks/run_lfw.sh SURROGATE JUDGE LFW OUT [PEOPLE]
set -euo pipefail
surrogate=$1 judge=$2 lfw=$3 out=$4 people=${5:-200}
run() {
  python "$(dirname "$0")/lfw_identification.py" --lfw "$lfw" --people "$people" --out "$out" \
    --surrogate "$surrogate" --judge "$judge" --judge "$surrogate" "$@"
}
run --epsilon 12 --goal impersonate
run --epsilon 8 --goal dodge
run --epsilon 6 --goal dodge --perceptual
run --epsilon 8 --goal dodge --perceptual --warp 0
run --epsilon 8 --goal impersonate
run --epsilon 12 --goal dodge
