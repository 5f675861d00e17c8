#!/usr/bin/env bash
# Make data/{train,dev,test_clean,test_noisy} from the embedded corpus: wav.scp, text, utt2spk, spk2utt.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=/dev/null
. ./path.sh

for part in train dev test_clean test_noisy; do
    "${PYTHON}" -m espnet_ee.data.librispeech "corpus/${part}" "data/${part}"
done
