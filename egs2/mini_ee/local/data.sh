#!/usr/bin/env bash
# Make data/{train,dev,test_clean,test_noisy} from the embedded corpus: wav.scp, text, utt2spk, spk2utt.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

for part in train dev test_clean test_noisy; do
    python3 -m espnet_ee.data.librispeech "corpus/${part}" "data/${part}"
done
