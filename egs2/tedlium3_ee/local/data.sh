#!/usr/bin/env bash
# Stage 1: TED-LIUM 3 -> data/{train,dev,test} with segments; the audio stays where it is.
# Option: --data_type legacy | speaker-adaptation | release-3, which split (legacy).
set -euo pipefail

# shellcheck source=/dev/null
. ./path.sh
# shellcheck source=/dev/null
. ./db.sh

url=https://www.openslr.org/resources/51/TEDLIUM_release-3.tgz  # 50 GB, as in ESPnet's recipe

if [ -z "${TEDLIUM3}" ]; then
    TEDLIUM3=downloads/TEDLIUM_release-3
    "${PYTHON}" -m espnet_ee.data.download "${url}" downloads --creates "${TEDLIUM3}"
fi
"${PYTHON}" -m espnet_ee.data.tedlium "${TEDLIUM3}" data "$@"
