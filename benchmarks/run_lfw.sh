#!/usr/bin/env bash
# All rows of docs/results/lfw-identification.md. Usage: benchmarks/run_lfw.sh LFW OUT [PEOPLE]
set -euo pipefail
lfw=$1 out=$2 people=${3:-200}
run() { python "$(dirname "$0")/lfw_identification.py" --lfw "$lfw" --people "$people" --out "$out" "$@"; }
for epsilon in 12 8; do
  for goal in impersonate dodge; do
    run --surrogate dlib --judge mobilefacenet-ms1m --judge dlib --epsilon $epsilon --goal $goal
    run --surrogate mobilefacenet-ms1m --judge dlib-native --judge mobilefacenet-ms1m --epsilon $epsilon --goal $goal
  done
done
run --surrogate dlib --judge mobilefacenet-ms1m --judge dlib --perceptual
run --surrogate mobilefacenet-ms1m --judge dlib-native --judge mobilefacenet-ms1m --perceptual
