#!/usr/bin/env bash
# Early-exit recognition of a small synthetic corpus, on a laptop, offline, in minutes.
# Every option of asr_ee.sh may be added: ./run.sh --stage 12 --inference_nj 4
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

./asr_ee.sh \
    --lang en \
    --ngpu 0 \
    --num_threads 1 \
    --nj 2 \
    --inference_nj 2 \
    --train_set train \
    --valid_set dev \
    --test_sets "test_clean test_noisy" \
    --token_type bpe \
    --bpemode bpe \
    --nbpe 60 \
    --max_wav_duration 15 \
    --num_clusters 50 \
    --asr_config conf/train_ee_mini.yaml \
    "$@"
