#!/usr/bin/env bash
# Heads, weights of the losses, distillation and LayerDrop, on AN4 and from scratch; see README.md.
# The corpus lies in AN4=FOLDER. Everything resumes: run it again after an interruption.
#   ./run.sh --ngpu 1 --jobs 12      all trainings, seeds 0 1 2: minutes on a large GPU
#   ./run.sh --jobs 2                the same on two cores: at most 90 minutes a training, a day in all
#   ./run.sh --seeds 0               the first seed only
#   ./run.sh --list                  what is left to do; --only JOB does one of them
#   ./run.sh --quick                 a few updates of three trainings: does it run?
# shellcheck disable=SC2034,SC2154  # variables shared with ../common.sh and ../an4.sh
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
# shellcheck source=../an4.sh
. ../an4.sh "$@"

variants="linear attention bilstm depth sequence frame layer_drop single_drop"
if [ -n "${quick}" ]; then variants="linear attention single_drop"; fi
rate=0.003         # at which joint exits learn best, see ../from_scratch
single_rate=0.001  # and one exit alone
single_exit="--encoder_conf exit_layers=[12]"

jobs_of() { for variant in ${variants}; do echo "${variant}/seed$1"; done; }

run_job() {
    case "$1" in
        linear/*) borrow "$1" "joint_high/${1##*/}" from_scratch ;;
        attention/*) learn "$1" "${rate}" "--model_conf exit_head=attention --model_conf exit_head_conf.units=96 \
            --model_conf exit_head_conf.heads=4 --model_conf exit_head_conf.linear_units=384" ;;
        bilstm/*) learn "$1" "${rate}" "--model_conf exit_head=bilstm --model_conf exit_head_conf.units=96" ;;
        depth/*) learn "$1" "${rate}" "--model_conf exit_weights=depth" ;;
        sequence/* | frame/*)
            learn "$1" "${rate}" "--model_conf distillation=${1%%/*} --model_conf distillation_conf.share=0.3" ;;
        layer_drop/*) learn "$1" "${rate}" "--encoder_conf layer_drop_rate=0.1" ;;
        single_drop/*)
            learn "trained_$1" "${single_rate}" "${single_exit} --encoder_conf layer_drop_rate=0.1" &&
                truncated "$1" "trained_$1"
            ;;
    esac
}

if [ -z "${list}" ]; then an4_data; fi
run_jobs
if [ -z "${list}" ]; then summarise; fi
