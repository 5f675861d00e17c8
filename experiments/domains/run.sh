#!/usr/bin/env bash
# Overthinking, policies and calibration on speech of another domain than training's; see README.md.
# Each begins with the encoder of joint_high of ../from_scratch, which is trained first where it is not there.
# The corpora: AN4=FOLDER LIBRISPEECH=FOLDER SPEECHOCEAN=FOLDER. Everything resumes: run it again after an interruption.
#   ./run.sh --jobs 2        three trainings of egs2/pooled_ee, seeds 0 1 2
#   ./run.sh --ngpu 1        the same on a GPU
#   ./run.sh --seeds 0       the first seed only
#   ./run.sh --list          what is left to do; --only JOB does one of them
#   ./run.sh --quick         a few updates, one test set: does it run?
# shellcheck disable=SC2034,SC2154  # variables shared with ../common.sh
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
# shellcheck source=../common.sh
. ../common.sh
parse_common "$@"
no_more

recipe_dir="${root}/egs2/pooled_ee"
sets="an4_test ls_test so_adults so_children"
budget=''
if [ -n "${quick}" ]; then
    sets="an4_test"
    budget="--max_epoch 2 --num_iters_per_epoch 2 --scheduler_conf max_steps=4"
fi
last_set="${sets##* }"

jobs_of() { echo "joint/seed$1"; }

run_job() {
    local tag=${1//\//_} from=joint_high/${1##*/} folder
    folder="${exp}/asr_${tag}/greedy"
    model "${from}" from_scratch
    recipe "${tag}" --expdir "${exp}" --stage 11 --stop_stage 12 --asr_tag "${tag}" --inference_tag greedy \
        --pretrained_model "${an4_exp}/asr_${from//\//_}/valid.cer_ctc.ave.pth:encoder:encoder" \
        --test_sets "${sets}" --asr_args "--seed ${1##*/seed} --use_tensorboard false --use_matplotlib false \
        ${budget}"
    # shellcheck disable=SC2086  # a list
    keep "$1" "${folder}" dev ${sets}
}

if [ -z "${list}" ]; then
    (flock 9 && recipe data --expdir "${exp}" --test_sets "${sets}" --stop_stage 10) 9> "${exp}/.data.lock"
fi
run_jobs
if [ -z "${list}" ]; then summarise; fi
