#!/usr/bin/env bash
# Exits trained together from scratch against single-exit models of every depth, on AN4; see README.md.
# The corpus lies in AN4=FOLDER. Everything resumes: run it again after an interruption.
#   ./run.sh --ngpu 1 --jobs 12      all trainings, seeds 0 1 2: minutes on a large GPU
#   ./run.sh --jobs 2                the same on two cores: at most 90 minutes a training, days in all
#   ./run.sh --seeds 0               the first seed only
#   ./run.sh --list                  what is left to do; --only JOB does one of them
#   ./run.sh --quick                 a few updates of two trainings: does it run?
# shellcheck disable=SC2034,SC2154  # variables shared with ../common.sh and ../an4.sh
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
# shellcheck source=../an4.sh
. ../an4.sh "$@"

kinds="joint single02 single04 single06 single08 single10 single12 longer" rates="high low"
if [ -n "${quick}" ]; then kinds="joint single02" rates=high; fi

# Seed 0 at both learning rates: a single-exit model of twelve blocks does not learn at the higher one. The other
# seeds at the one that was better then on the development speakers.
jobs_of() {
    local kind rate better=''
    if [ "$1" -ne 0 ]; then better=$("${PYTHON:-python3}" choose_rates.py "${records}"); fi
    for kind in ${kinds}; do
        for rate in ${rates}; do
            if [ "${kind}_${rate}" = longer_high ]; then continue; fi
            case " ${better} " in *" ${kind}_"*) [[ " ${better} " == *" ${kind}_${rate} "* ]] || continue ;; esac
            echo "${kind}_${rate}/seed$1"
        done
    done
}

run_job() {
    local rate=0.003 depth
    case "$1" in *_low/*) rate=0.001 ;; esac
    case "$1" in
        joint_*) learn "$1" "${rate}" "" ;;
        single*)
            depth=${1#single}
            depth=$((10#${depth%%_*}))
            learn "$1" "${rate}" "--encoder_conf num_blocks=${depth} --encoder_conf exit_layers=[${depth}]"
            ;;
        longer_*)
            updates=$((3 * updates))
            learn "$1" "${rate}" "--encoder_conf exit_layers=[12]"
            ;;
        truncated_*) truncated "$1" "${1/truncated/single12}" ;;
    esac
}

if [ -z "${list}" ]; then an4_data; fi
all_seeds=${seeds}
for seeds in ${all_seeds}; do run_jobs; done  # one after the other: the first says at which rates the others learn
if [ -z "${quick}" ]; then
    seeds=${all_seeds} kinds=truncated  # when all models are there
    run_jobs
fi
if [ -z "${list}" ]; then summarise; fi
