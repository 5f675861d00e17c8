#!/usr/bin/env bash
# Overthinking, policies and calibration when noise comes that training did not have; see README.md.
# The models are joint_high of ../from_scratch, which are trained first where they are not there.
#   ./run.sh                 seeds 0 1 2; without the trainings minutes on one core
#   ./run.sh --seeds 0       the first seed only
#   ./run.sh --quick         a model of a few updates, one level of noise: does it run?
# shellcheck disable=SC2034,SC2154  # variables shared with ../common.sh and ../an4.sh
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
# shellcheck source=../an4.sh
. ../an4.sh "$@"

levels="20 10 05 00"
if [ -n "${quick}" ]; then levels=10; fi
sets=
for level in ${levels}; do sets+=" test_snr${level}"; done
last_set="test_snr${levels##* }"

jobs_of() { echo "joint/seed$1"; }

run_job() {
    local from=joint_high/${1##*/} tag folder
    tag=${from//\//_} folder="${exp}/asr_${tag}/greedy"
    model "${from}" from_scratch
    recipe "${tag}_noise" --expdir "${exp}" --stage 12 --stop_stage 12 --asr_tag "${tag}" \
        --inference_tag greedy --inference_nj 1 --test_sets "${sets}" --eval_valid_set false
    # shellcheck disable=SC2086  # a list
    keep "$1" "${folder}" train_dev test ${sets}
}

# noisy_sets: once; jobs beside each other wait
noisy_sets() {
    local level
    for level in ${levels}; do
        (cd "${recipe_dir}" && "${PYTHON:-python3}" "${here}/add_noise.py" dump/raw/test \
            dump/raw/org/train_nodev_sp --snr "${level}" --out "dump/raw/test_snr${level}")
    done
}

if [ -z "${list}" ]; then
    an4_data
    (flock 9 && noisy_sets) 9> "${recipe_dir}/dump/.noise.lock"
fi
run_jobs
if [ -z "${list}" ]; then summarise; fi
