#!/usr/bin/env bash
# RESULTS.md from the records of egs2/mini_ee: seconds.
set -euo pipefail
cd "$(dirname "$0")"
export PYTHONPATH="$PWD/../..${PYTHONPATH:+:$PYTHONPATH}"
"${PYTHON:-python3}" summarise.py
