#!/usr/bin/env bash
# Early-exit recognition of TED-LIUM 3: talks, 452 hours; the models of arXiv:2309.09546.
# The corpus lies elsewhere already: TEDLIUM3=/data/TEDLIUM_release-3 ./run.sh (or db.sh)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

./asr_ee.sh \
    --lang en \
    --ngpu 1 \
    --nj 8 \
    --inference_nj 8 \
    --train_set train \
    --valid_set dev \
    --test_sets "test dev" \
    --local_data_opts "--data_type legacy" \
    --speed_perturb_factors "0.9 1.0 1.1" \
    --token_type bpe \
    --nbpe 256 \
    --bpe_nlsyms "[unk]" \
    --asr_config conf/train_ee_conformer_ctc.yaml \
    "$@"
