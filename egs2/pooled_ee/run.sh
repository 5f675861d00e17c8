#!/usr/bin/env bash
# One early-exit model of AN4 and LibriSpeech mini together, 4.5 hours; tested on both and on speechocean762's
# adults and children, whom it never heard. The corpora: AN4=... LIBRISPEECH=... SPEECHOCEAN=... ./run.sh (or db.sh)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

./asr_ee.sh \
    --lang en \
    --ngpu 0 \
    --num_threads 1 \
    --nj 2 \
    --inference_nj 1 \
    --train_set train \
    --valid_set dev \
    --test_sets "an4_test ls_test so_adults so_children" \
    --max_wav_duration 20 \
    --token_type char \
    --asr_config conf/train_ee_pooled.yaml \
    "$@"
