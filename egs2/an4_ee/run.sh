#!/usr/bin/env bash
# Early-exit recognition of CMU AN4: real speech, 0.8 hours, spelled names and numbers.
# On a GPU: ./run.sh --ngpu 1    The corpus lies elsewhere already: AN4=/data/an4 ./run.sh (or db.sh)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

./asr_ee.sh \
    --lang en \
    --ngpu 0 \
    --num_threads 1 \
    --nj 2 \
    --inference_nj 2 \
    --train_set train_nodev \
    --valid_set train_dev \
    --test_sets test \
    --speed_perturb_factors "0.9 1.0 1.1" \
    --token_type char \
    --num_clusters 50 \
    --asr_config conf/train_ee_an4.yaml \
    "$@"
