#!/usr/bin/env bash
# Stage 1: AN4 -> data/{train_nodev,train_dev,test}; the audio may be .sph, .wav or .flac.
set -euo pipefail

# shellcheck source=/dev/null
. ./path.sh
# shellcheck source=/dev/null
. ./db.sh

url=http://www.speech.cs.cmu.edu/databases/an4/an4_sphere.tar.gz  # 64 MB, as in ESPnet's recipe

if [ $# -gt 0 ]; then
    echo "local/data.sh: error: there are no options, got: $*" >&2
    exit 1
fi
if [ -z "${AN4}" ]; then
    "${PYTHON}" -m espnet_ee.data.download "${url}" downloads --creates downloads/an4
    AN4=downloads/an4
fi
"${PYTHON}" -m espnet_ee.data.an4 "${AN4}" data
