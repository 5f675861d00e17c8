#!/usr/bin/env bash
# Early-exit recognition of LibriSpeech: read English, 5 to 960 hours.
# The corpus is there already: LIBRISPEECH=/data/LibriSpeech ./run.sh (or db.sh)    No GPU: --ngpu 0 --gpu_inference false
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

# options begin
# This recipe
data_size=100           # Hours of training speech: mini (5), 100, 360, 460 (100 + 360) or 960.
# options end

# shellcheck source=/dev/null
. "$(dirname "$(readlink -f asr_ee.sh)")/scripts/options.sh"
read_own_options "$@"
one_of data_size mini 100 360 460 960

valid_set=dev  # dev_clean and dev_other; thresholds are chosen on it
test_sets="dev_clean dev_other test_clean test_other"
case "${data_size}" in
    mini) train_set=train_clean_5 valid_set=dev_clean_2 test_sets=dev_clean_2 ;;
    960) train_set=train_960 ;;
    *) train_set="train_clean_${data_size}" ;;
esac
lm_train_text="data/${train_set}/text data/local/other_text/text"  # the second is OpenSLR 11
if [ "${data_size}" = mini ]; then lm_train_text="data/${train_set}/text"; fi

./asr_ee.sh \
    --lang en \
    --ngpu 1 \
    --nj 16 \
    --inference_nj 1 \
    --gpu_inference true \
    --train_set "${train_set}" \
    --valid_set "${valid_set}" \
    --test_sets "${test_sets}" \
    --speed_perturb_factors "0.9 1.0 1.1" \
    --max_wav_duration 30 \
    --token_type bpe \
    --nbpe 256 \
    --bpe_train_text "data/${train_set}/text" \
    --asr_config conf/train_ee_conformer_ctc.yaml \
    --lm_train_text "${lm_train_text}" \
    --expdir "exp/${data_size}" \
    "$@"
