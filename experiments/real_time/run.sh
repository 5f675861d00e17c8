#!/usr/bin/env bash
# How much time true early exit saves of what the cost model promises, on AN4's test set; see README.md.
# The model is joint_high/seed0 of ../from_scratch, which is trained first where it is not there.
#   ./run.sh                 on a CPU, one thread; the machine should do nothing else
#   ./run.sh --ngpu 1        on a GPU
#   ./run.sh --quick         a model of a few updates, two repeats of ten utterances: does it run?
# shellcheck disable=SC2034,SC2154  # variables shared with ../common.sh and ../an4.sh
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
# shellcheck source=../an4.sh
. ../an4.sh "$@"

job=joint_high/seed0
tag=${job//\//_}
model "${job}" from_scratch
device=cpu
if [ "${ngpu}" -gt 0 ]; then device=cuda; fi
options=()
if [ -n "${quick}" ]; then options+=(--repeats 2 --utterances 10); fi
"${PYTHON:-python3}" measure.py "${exp}/asr_${tag}" --device "${device}" --recipe "${recipe_dir}" \
    --dev "${exp}/asr_${tag}/greedy/train_dev/record.jsonl.gz" --wav-scp "${recipe_dir}/dump/raw/test/wav.scp" \
    --out "${records}/${device}.json" "${options[@]}"
summarise
