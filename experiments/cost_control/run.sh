#!/usr/bin/env bash
# RESULTS.md and the figure, from the records of egs2/mini_ee: seconds.
set -euo pipefail
cd "$(dirname "$0")"
export PYTHONPATH="$PWD/../..${PYTHONPATH:+:$PYTHONPATH}"
python=${PYTHON:-python3}
"${python}" summarise.py
"${python}" figure.py
