#!/usr/bin/env bash
# Stage 1: AN4 and LibriSpeech mini -> data/{train,dev} pooled, and data/{an4_test,ls_test}; speechocean762's test
# half -> data/{so_adults,so_children}.
set -euo pipefail

# shellcheck source=/dev/null
. ./path.sh
# shellcheck source=/dev/null
. ./db.sh

if [ $# -gt 0 ]; then
    echo "local/data.sh: error: there are no options, got: $*" >&2
    exit 1
fi
for name in AN4 LIBRISPEECH SPEECHOCEAN; do
    if [ ! -d "${!name}" ]; then
        echo "local/data.sh: error: ${name} is no folder." >&2
        echo "  got:  '${!name}'" >&2
        echo "  fix:  set ${name} in db.sh or on the command line" >&2
        exit 1
    fi
done

parts=data/local
"${PYTHON}" -m espnet_ee.data.an4 "${AN4}" "${parts}/an4"
for part in train-clean-5 dev-clean-2 test-clean-2; do
    "${PYTHON}" -m espnet_ee.data.librispeech "${LIBRISPEECH}/${part}" "${parts}/${part}"
done
"${PYTHON}" -m espnet_ee.data.pool "${parts}/an4/train_nodev" "${parts}/train-clean-5" data/train
"${PYTHON}" -m espnet_ee.data.pool "${parts}/an4/train_dev" "${parts}/dev-clean-2" data/dev
"${PYTHON}" -m espnet_ee.data.pool "${parts}/an4/test" data/an4_test
"${PYTHON}" -m espnet_ee.data.pool "${parts}/test-clean-2" data/ls_test
"${PYTHON}" -m espnet_ee.data.speechocean "${SPEECHOCEAN}/test" data/so
